//! The binary: everything is in the library, but for the allocator, which is a program's own choice.

use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// Wipes every block that is freed, so that the copies of a value which libraries made (buffers of TLS and
/// HTTP, parsers) do not outlive their use.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    anypoint_relay::cli::main()
}
