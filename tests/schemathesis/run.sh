#!/usr/bin/env bash
# The running binary against openapi.yaml, with requests that schemathesis makes up:
#   bash tests/schemathesis/run.sh [CASES]
# CASES for each operation and phase (100 unless told). It installs schemathesis below target/, which needs
# Python 3.10 or later with venv (python3-venv on Debian) and PyPI. Red on an answer that openapi.yaml does
# not have, on one that takes more than ten seconds, and where fewer than half of the calls pass
# authentication.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=4.32.5
tools="$PWD/target/schemathesis"

if [ "$("$tools/bin/schemathesis" --version 2>/dev/null | grep -o '[0-9.]*$')" != "$version" ]; then
  rm -rf "$tools"
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version"
fi

SCHEMATHESIS="$tools/bin/schemathesis" SCHEMATHESIS_CASES="${1:-100}" \
  cargo test --locked --test it -- --ignored --nocapture openapi_yaml_has_every_answer
