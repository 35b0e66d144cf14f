//! Keeps the memory of this process to itself, before anything secret is in it.
//!
//! Guarantees, on Linux: the kernel writes no core dump of it, and no other process of the same user may
//! trace it or read its memory (`PR_SET_DUMPABLE` off). Where the limit on locked memory is lifted
//! (`LimitMEMLOCK=infinity`, `ulimit -l unlimited`), all of its memory is locked, so that no value is
//! written to swap; with a limit that is not tried, because an allocation beyond it would fail.
//!
//! Freed memory is wiped by the allocator of the binary (`main.rs`). Root, and whoever has `CAP_SYS_PTRACE`,
//! can read the memory of any process all the same; what they find is bounded by how briefly values live.
//!
//! Sources: prctl(2), ptrace(2) "Ptrace access mode checking", mlockall(2).

use rustix::io::Result;
#[cfg(target_os = "linux")]
use rustix::mm::{MlockAllFlags, mlockall};
#[cfg(target_os = "linux")]
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What could be done.
#[derive(Debug)]
pub(super) struct Hardening {
    /// Whether it was forbidden to trace the process and to read its memory; not if it was asked to leave that.
    pub(super) private: Result<bool>,
    /// Whether its memory stays out of swap; not if there is a limit.
    pub(super) locked: Result<bool>,
}

/// Does what can be done. `debuggable` leaves core dumps and debuggers as they are.
pub(super) fn harden(debuggable: bool) -> Hardening {
    let private = if debuggable { Ok(false) } else { forbid_dumps().map(|()| true) };
    Hardening { private, locked: lock() }
}

fn forbid_dumps() -> Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

#[cfg(target_os = "linux")]
fn lock() -> Result<bool> {
    if getrlimit(Resource::Memlock).current.is_some() {
        return Ok(false);
    }
    // On fault: what is only reserved, such as the stacks of threads, takes no memory.
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)?;
    Ok(true)
}

#[cfg(not(target_os = "linux"))]
fn lock() -> Result<bool> {
    Ok(false)
}
