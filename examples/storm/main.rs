//! `cargo run --release --example storm`: the proof that a queue in memory loses nothing.
//!
//! A fake AWS and a fake Anypoint are in this process, the relay is in another one: this program again, in
//! the mode in which it is the relay (`serve FILE`, by the same entry point as the binary). Everything
//! around it fails, itself included; then the faults stop, and the histories of the fakes tell whether each
//! target holds what it has to hold, and what it ever held.

mod arrivals;
mod collect;
mod driver;
mod endpoint;
mod faults;
mod gauges;
mod history;
mod leak;
mod mix;
mod options;
mod pipeline;
mod relay;
mod report;
mod schedule;
mod tell;
mod verdict;
mod world;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use fastrand::Rng;
use tokio::net::TcpStream;

use arrivals::Arrivals;
use driver::Driver;
use faults::Weather;
use leak::Leaks;
use options::Options;
use relay::Relay;
use report::{Report, say};
use tell::Senders;
use world::World;

/// The argument with which this program is the relay.
const RELAY: &str = "serve";
/// How long the relay may take to listen, and to confirm its subscription.
const START: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|mode| mode == RELAY) {
        return anypoint_relay::cli::main();
    }
    let options = Options::parse().settled();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    match runtime.block_on(storm(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    say(&format!("the storm cannot blow: {error:#}"));
    ExitCode::FAILURE
}

async fn storm(options: &Options) -> anyhow::Result<bool> {
    let mut rng = Rng::with_seed(options.seed());
    let world = World::open(options, &mut rng.fork()).await?;
    let plan = schedule::draw(options, world.secrets.len(), world.targets.len(), &mut rng.fork());
    let (arrivals, leaks) = (Arrivals::default(), Leaks::new());
    arrivals.watch(&world.anypoint);
    say(&format!(
        "{} targets, {} secrets, {} acts in {:?}, seed {}; the relay's files are in {}",
        world.targets.len(),
        world.secrets.len(),
        plan.len(),
        options.duration,
        options.seed(),
        world.file("").display()
    ));

    let senders = Senders::new(&leaks, rng.fork())?;
    let relay = Relay::start(&world, &leaks)?;
    let hooks = &world.addresses.hooks;
    anypoint_sandbox::ask_for("the relay to listen", START, async || TcpStream::connect(hooks).await.ok())
        .await;
    world.topic.subscribe(format!("http://{hooks}/hooks/sns")).confirmed(START).await;
    let weather = Weather::begin(&world, options, &mut rng.fork());
    let mut driver = Driver::new(&world, options, &relay, weather, senders, rng.fork());
    driver.storm(&plan).await;
    say("the faults stop");
    let calm = driver.calm().await;
    let (done, tally) = (driver.done.clone(), driver.senders().tally().clone());

    drop(driver);
    let (lives, gauges) = relay.end().await;
    let history = collect::all(&world, &arrivals, options);
    let report = Report {
        options,
        world: &world,
        history: &history,
        done: &done,
        tally: &tally,
        lives: &lives,
        gauges: &gauges,
        calm,
        leaks: leaks.found(),
    };
    Ok(report.print())
}
