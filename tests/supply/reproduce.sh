#!/usr/bin/env bash
# Whether another build of HEAD gives the same bytes:
#   bash tests/supply/reproduce.sh
# HEAD is built in a new folder with a target/ of its own, and compared with target/release/anypoint-relay,
# which tests/image/check.py has left there. It takes minutes, so CI does not run it.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/target/tools/bin:$PATH"
elsewhere="$(mktemp -d)"
trap 'rm -rf "$elsewhere"' EXIT
git clone -q . "$elsewhere/relay"
(cd "$elsewhere/relay" && env -u CARGO_TARGET_DIR cargo auditable build --release --locked --bin anypoint-relay)
sha256sum target/release/anypoint-relay "$elsewhere/relay/target/release/anypoint-relay"
cmp target/release/anypoint-relay "$elsewhere/relay/target/release/anypoint-relay"
