#!/bin/sh
# rustc for the crates of the workspace when they are built for libFuzzer (RUSTC_WORKSPACE_WRAPPER): with
# counters at every edge and the operands of comparisons, as cargo-fuzz builds them. Not optimised: that
# would halve the time of an execution and takes a minute longer to build. The crates that they depend on
# are those of `cargo test`: their generic code gets counters where it is used.
exec "$@" --cfg fuzzing \
  -C passes=sancov-module \
  -C llvm-args=-sanitizer-coverage-level=4 \
  -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
  -C llvm-args=-sanitizer-coverage-pc-table \
  -C llvm-args=-sanitizer-coverage-trace-compares
