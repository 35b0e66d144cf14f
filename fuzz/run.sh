#!/usr/bin/env bash
# Lets libFuzzer look for inputs that break a promise:
#   bash fuzz/run.sh [SECONDS] [TARGET...]
# SECONDS for each target (5 unless told), all targets of fuzz/targets unless some are named; FUZZ_SEED repeats the
# choices of a run. Red on a finding; what was found is in target/fuzz/found, and belongs into the target's folder
# below fuzz/seeds once it is mended. It needs Rust and a C++ compiler (g++ on Debian), no nightly and no cargo-fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${1:-5}"
[ $# -eq 0 ] || shift

# Longest input, in bytes: of what is larger the first thousands of bytes say it all.
max_len=4096
# A hang: nothing that is tried here takes longer than milliseconds.
timeout=5

work="$PWD/target/fuzz"
mkdir -p "$work/found"

# Only the crates of the workspace are built once more, beside those of `cargo test --workspace`.
built="$(CARGO_INCREMENTAL=0 RUSTC_WORKSPACE_WRAPPER="$PWD/fuzz/rustc.sh" \
  cargo test --workspace --locked --features anypoint-relay-fuzz/libfuzzer --test libfuzzer --no-run 2>&1)" ||
  { printf '%s\n' "$built" >&2; exit 1; }
binary="$(sed -n 's/^ *Executable .*(\(.*\))$/\1/p' <<<"$built")"

# The number that a log ends with under this name; 0 without one.
figure() { sed -n "s/^.*$1 *\([0-9][0-9]*\).*$/\1/p" "$2" | tail -n 1; }

printf '%-12s %12s %9s %9s %9s %7s %9s\n' target executions per_second edges features corpus findings
red=0
while read -r name seeds; do
  case "$name" in '' | '#'*) continue ;; esac
  [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
  corpus="$work/corpus/$name" log="$work/$name.log"
  mkdir -p "$corpus"
  verdict=0
  # shellcheck disable=SC2086 # one word for each folder
  FUZZ_TARGET="$name" "$binary" "$corpus" $seeds -dict="fuzz/dictionaries/$name.dict" \
    -max_total_time="$seconds" -max_len="$max_len" -timeout="$timeout" -rss_limit_mb=2048 -use_value_profile=1 -seed="${FUZZ_SEED:-0}" \
    -print_final_stats=1 -artifact_prefix="$work/found/$name-" >"$log" 2>&1 || verdict=$?
  printf '%-12s %12s %9s %9s %9s %7s %9s\n' "$name" "$(figure number_of_executed_units: "$log")" \
    "$(figure average_exec_per_sec: "$log")" "$(figure ' cov:' "$log")" "$(figure ' ft:' "$log")" \
    "$(find "$corpus" -type f | wc -l)" "$((verdict != 0))"
  if [ "$verdict" != 0 ]; then
    red=1
    grep -E 'panicked at|^ *(left|right):|ERROR:|Test unit written to|verified, yet|accepted' -A1 "$log" | head -n 20 >&2 || true
  fi
done <fuzz/targets
exit "$red"
