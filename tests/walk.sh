#!/usr/bin/env bash
# What README.md has under "Practise it", as it is written there: the sandbox, and in the second terminal init, check
# and serve; then a rotation, and what `status` says. Only the answers to init's questions are given here.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
started=()
end() {
  for id in "${started[@]}"; do kill "$id" 2>/dev/null && wait "$id" || true; done
  rm -rf "$folder"
}
trap end EXIT

fail() {
  echo "the walk: $1" >&2
  tail -n 30 "$folder"/*.log >&2 || true
  exit 1
}

# until WHAT COMMAND...: the command succeeds within 30 s.
until_so() {
  local what=$1 tries=0
  shift
  until "$@"; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || fail "after 30 s still not: $what"
    sleep 0.1
  done
}

block=$(sed -n '/<!-- test: walk -->/,/^```$/p' README.md | sed '1,2d;$d')
[ "$(wc -l <<<"$block")" = 5 ] || fail "README.md has no block of five lines behind its mark"
line() { sed -n "$1p" <<<"$block"; }

release=$PWD/target/release
"$release/examples/demo" --sandbox "$folder/sandbox.env" >"$folder/sandbox.log" 2>&1 &
started+=($!)
until_so "the sandbox says how to rotate" grep -qs "/rotate" "$folder/sandbox.log"
rotate=$(grep -o 'http://[0-9.:]*/rotate' "$folder/sandbox.log")

# The first line of the block has been run: the build that is tried is the one that is there.
cd "$folder"
eval "$(line 2)"
[ "$(command -v anypoint-relay)" = "$release/anypoint-relay" ] || fail "the file puts another relay into the PATH"
# The organization as it is; the first environment and the first application; cloudhub2; the first secret; its fields may
# be read; each property takes the field that is proposed.
printf '\n1\n1\n\n1\nyes\n\n' | eval "$(line 3)" >init.log 2>&1 || fail "init"
eval "$(line 4)" >check.log 2>&1 || fail "check --online"
grep -q " 0 failed" check.log || fail "check --online does not say that nothing failed"
eval "$(line 5) >serve.log 2>&1 &"
started+=($!)

in_sync() { anypoint-relay status orders-api 2>/dev/null | grep -q "^orders-api  in sync"; }
all_current() { curl -s "${rotate%rotate}replicas" | grep -qv '"current":false'; }
until_so "the first write is proved" in_sync
before=$(anypoint-relay status orders-api | awk '$1 == "delivered" { print $2 }')
curl -sf -X POST "$rotate" >/dev/null
changed() { [ "$(anypoint-relay status orders-api | awk '$1 == "delivered" { print $2 }')" != "$before" ]; }
until_so "the rotated password is delivered" changed
until_so "the rotation is proved" in_sync
until_so "the replicas run with it" all_current
curl -sf http://127.0.0.1:9090/ | grep -q "<title>" || fail "there is no page"
anypoint-relay status
echo "the walk: in sync after a rotation, at a relay set up by init"
