//! libFuzzer over one target, the one that `FUZZ_TARGET` names: `fuzz/run.sh` builds and starts it.

#![no_main]

use std::sync::LazyLock;

use anypoint_relay_fuzz::{Target, target};
use libfuzzer_sys::fuzz_target;

#[expect(clippy::disallowed_methods, reason = "libFuzzer owns the command line")]
static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    target(&name).unwrap_or_else(|| panic!("FUZZ_TARGET={name:?} names no target"))
});

fuzz_target!(|input: &[u8]| (TARGET.check)(input));
