//! What a notification costs, one path of the code at a time: no socket, no thread, no clock.
//!
//! One list of paths, taken in two ways. `cargo run --release --example paths -- --bench [FILTER]` times them,
//! for somebody who looks for a faster way. `paths --once NAME COUNT` makes one ready, goes COUNT times and ends,
//! for `instructions.py` beside it, which counts what the processor does: a second differs from run to run, an
//! instruction hardly does. So nothing that a path is given is made up anew: messages and keys are the
//! fixtures of the tests, and a turn that does not come to its right end stops the program.
//!
//! Not measured: HTTP, the runtime, what is locked, and what runs beside a request.

#![expect(
    clippy::expect_used,
    reason = "a path that takes a wrong turn must not be measured, it would seem cheap"
)]

mod memory;
mod notifications;
mod senders;

use std::alloc::System;
use std::io::Write as _;
use std::process::ExitCode;

use criterion::Criterion;
use zeroizing_alloc::ZeroAlloc;

/// The relay's own: what it wipes is part of the cost.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// Goes the path once.
type Turn = Box<dyn FnMut()>;

/// One path.
struct Path {
    name: &'static str,
    /// How many turns are counted: enough that chance, such as the seeds of tables, evens out.
    count: u32,
    /// Does all that is done once only.
    prepare: fn() -> Turn,
}

/// Every path, by its name.
const PATHS: &[Path] = &[
    Path { name: "sns/admit", count: 500, prepare: senders::admit },
    Path { name: "sns/canonical", count: 2_000, prepare: senders::canonical },
    Path { name: "sns/verify-1", count: 50, prepare: senders::verify_1 },
    Path { name: "sns/verify-2", count: 50, prepare: senders::verify_2 },
    Path { name: "trigger/shared-key", count: 500, prepare: senders::shared_key },
    Path { name: "trigger/public-key", count: 50, prepare: senders::public_key },
    Path { name: "eventbridge/api-key", count: 1_000, prepare: senders::api_key },
    Path { name: "event/native", count: 500, prepare: notifications::native },
    Path { name: "event/cloudtrail", count: 500, prepare: notifications::cloudtrail },
    Path { name: "request-id/given", count: 5_000, prepare: notifications::given_id },
    Path { name: "request-id/fresh", count: 5_000, prepare: notifications::fresh_id },
    Path { name: "replay/new-128", count: 200, prepare: memory::replay_new },
    Path { name: "replay/known", count: 5_000, prepare: memory::replay_known },
    Path { name: "index/arn-10", count: 2_000, prepare: || memory::index_by_arn(10) },
    Path { name: "index/arn-100000", count: 10_000, prepare: || memory::index_by_arn(100_000) },
    Path { name: "index/name-10", count: 2_000, prepare: || memory::index_by_name(10) },
    Path { name: "index/name-100000", count: 10_000, prepare: || memory::index_by_name(100_000) },
    Path { name: "queue/10", count: 5_000, prepare: || memory::queue(10) },
    Path { name: "queue/1000", count: 5_000, prepare: || memory::queue(1_000) },
    Path { name: "queue/100000", count: 5_000, prepare: || memory::queue(100_000) },
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["--paths"] => list(),
        ["--once", name, count] => return once(name, count),
        _ => time(),
    }
    ExitCode::SUCCESS
}

fn list() {
    let mut out = std::io::stdout().lock();
    for path in PATHS {
        writeln!(out, "{} {}", path.name, path.count).expect("standard output");
    }
}

fn once(name: &str, count: &str) -> ExitCode {
    let path = PATHS.iter().find(|path| path.name == name);
    let (Some(path), Ok(count)) = (path, count.parse::<u32>()) else {
        writeln!(std::io::stderr(), "no such path, or no number of turns").expect("standard error");
        return ExitCode::FAILURE;
    };
    let mut turn = (path.prepare)();
    for _ in 0..count {
        turn();
    }
    ExitCode::SUCCESS
}

fn time() {
    let mut criterion = Criterion::default().configure_from_args();
    for path in PATHS {
        let mut turn = None;
        criterion.bench_function(path.name, |bencher| {
            let turn = turn.get_or_insert_with(path.prepare);
            bencher.iter(turn);
        });
    }
    criterion.final_summary();
}
