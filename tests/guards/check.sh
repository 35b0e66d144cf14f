#!/usr/bin/env bash
# Takes the guards of the protocol and of values away one at a time, and expects a test to notice each time:
#   bash tests/guards/check.sh [NAME...]
# Each patch says what it takes away and which tests have to turn red: their target, and what it is started
# with. It works on a copy of the committed tree below target/, so nothing of the checkout changes. A guard
# that nobody misses is an error.
set -uo pipefail
cd "$(dirname "$0")/../.."
patches="$PWD/tests/guards"
copy="$PWD/target/guards"
# What is built of others is the same: only the copy of the project is compiled anew.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
# Tests of the process are to start what was just patched.
unset RELAY_BINARY

mkdir -p target
rm -rf "$copy"
git clone -q . "$copy"
cd "$copy" || exit 1

missed=0
for patch in "$patches"/*.patch; do
  name="$(basename "$patch" .patch)"
  case " ${*:-$name} " in *" $name "*) ;; *) continue ;; esac
  git checkout -q -- . && git apply "$patch" || { echo "$name: the patch does not apply"; missed=1; continue; }
  # shellcheck disable=SC2046 # one word for each argument
  output="$(cargo test --locked $(sed -n 's/^# red: \(--lib\|--test [a-z]*\).*/\1/p' "$patch") -- \
    $(sed -n 's/^# red: \(--lib\|--test [a-z]*\) //p' "$patch") 2>&1)"
  if grep -q '^test result: FAILED' <<<"$output"; then
    echo "$name: noticed by"
    sed -n 's/^test \(.*\) \.\.\. FAILED$/  \1/p' <<<"$output"
  else
    echo "$name: NOT noticed"
    tail -n 20 <<<"$output"
    missed=1
  fi
done
# While the copy is there cargo takes what was built of it, with a guard taken away, for the checkout's own.
rm -rf "$copy"
exit "$missed"
