//! `cargo run --release --example load`: what the relay's hooks take, beside what this machine could take at all.
//!
//! The relay is the release binary as it ships, a process of its own with a production configuration. In the same
//! run, slice by slice in turn, the same requests go to yardsticks: a bare axum handler, one that also parses, one
//! that parses and verifies by the bare crypto call; and to what a user might run instead, where it is installed. Only
//! the ratios mean something: the figures themselves are this machine's.
//!
//! Whatever is measured has one half of the cores for itself, the senders and the fakes the other half, so that a
//! faster server is not held back by its own senders. With one core there is nothing to halve.

mod chart;
mod client;
mod cores;
mod corpus;
mod drive;
mod measures;
mod numbers;
mod options;
mod report;
mod runner;
mod server;
mod world;
mod yardstick;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use options::{Options, Subject};

fn main() -> anyhow::Result<ExitCode> {
    // This program is the relay too: with the system's own allocator, to show what wiping freed memory costs.
    if std::env::args().nth(1).is_some_and(|command| command == "serve") {
        return Ok(anypoint_relay::cli::main());
    }
    let options = Options::parse();
    if let Some(order) = &options.yardstick {
        let order = serde_json::from_str(order).context("this is for the program's own use")?;
        yardstick::serve(&order)?;
        return Ok(ExitCode::SUCCESS);
    }
    cores::of_senders()?;
    // One thread: the senders have one core to themselves, or share it.
    // It looks at its sockets often, although `runner` has it never sleep.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.event_interval(8).enable_all().build()?;
    runtime.block_on(load(&options))
}

async fn load(options: &Options) -> anyhow::Result<ExitCode> {
    let world = world::World::open().await?;
    let binary = match &options.relay {
        // It is started from elsewhere too.
        Some(file) => file.canonicalize().with_context(|| format!("--relay: {}", file.display()))?,
        None => server::build_relay()?,
    };
    let (mut hooks, mut once) = (Vec::new(), Vec::new());
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    for subject in Subject::chosen(&options.only) {
        match subject {
            Subject::Hook(kind) => {
                writeln!(err, "{kind}: making the requests")?;
                let requests = corpus::make(&world, kind)?;
                writeln!(err, "{kind}: sending them")?;
                let outcome = runner::measure(&world, &binary, kind, &requests, options).await?;
                if !options.json {
                    report::print(&outcome, &mut out)?;
                }
                hooks.push(outcome);
            }
            Subject::Once(measure) => {
                writeln!(err, "{}", measure.title())?;
                let taken = measure.take(&binary, options).await?;
                if !options.json {
                    measures::print(&taken, &mut out)?;
                }
                once.push(taken);
            }
        }
    }
    let whole = report::Whole::of(options, &hooks, &once);
    if let Some(folder) = &options.svg {
        chart::write(&whole, folder).with_context(|| format!("--svg: {}", folder.display()))?;
    }
    if options.json {
        serde_json::to_writer_pretty(&mut out, &whole)?;
        writeln!(out)?;
    }
    Ok(ExitCode::SUCCESS)
}
