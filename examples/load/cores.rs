//! Which cores the senders have, and which are for what is measured. Only Linux lets a program choose.

/// Keeps this thread, and those that it starts, on the senders' cores.
pub(crate) fn of_senders() -> std::io::Result<()> {
    system::keep_to(|core, all| core >= all / 2)
}

/// Runs `start` on a thread that is kept to the other cores: a process that it starts stays there.
pub(crate) fn of_servers<T: Send>(start: impl FnOnce() -> std::io::Result<T> + Send) -> std::io::Result<T> {
    std::thread::scope(|scope| {
        let started = scope.spawn(|| {
            system::keep_to(|core, all| core < all / 2)?;
            start()
        });
        started.join().unwrap_or_else(|_| Err(std::io::Error::other("the thread that starts it died")))
    })
}

#[cfg(target_os = "linux")]
mod system {
    use rustix::thread::{CpuSet, sched_setaffinity};

    /// Of the machine's cores those that are `wanted`, which hears their number too; with one core, that one.
    pub(super) fn keep_to(wanted: impl Fn(usize, usize) -> bool) -> std::io::Result<()> {
        let all = std::fs::read_to_string("/proc/cpuinfo")?
            .lines()
            .filter(|line| line.starts_with("processor"))
            .count();
        let mut cores = CpuSet::new();
        for core in (0..all).filter(|core| all < 2 || wanted(*core, all)) {
            cores.set(core);
        }
        Ok(sched_setaffinity(None, &cores)?)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn keep_to(_: impl Fn(usize, usize) -> bool) -> std::io::Result<()> {
        Ok(())
    }
}
