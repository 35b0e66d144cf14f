//! Two hundred applications of one secret, on one host and over two connections, are due at once: what
//! Anypoint is asked, how many restart at a time, how long it takes.
//!
//! The usual run is ten times as fast as Anypoint, and says how long it took: that is a matter of the machine.
//! With `REAL_RATES` set to anything it has the real numbers and holds the relay to the time as well.

use std::time::{Duration, Instant};

use anypoint_sandbox::anypoint::{App, Endpoint, NONE};
use anypoint_sandbox::wait_until;
use jiff::Timestamp;

use crate::support::{Bench, LIMIT, ORDERS_TARGET, name};

/// Half of them through each connection.
const APPLICATIONS: usize = 200;
const CONNECTIONS: [&str; 2] = ["prod", "test"];
/// Requests for each: a look, a second one for those that have to wait for a roll slot, the write and the
/// proof; and room for the lists, which all share.
const REQUESTS: usize = 5;
/// So many that the rate is what takes the time, and so few that they are taken up: without it 29 would roll
/// at once.
const MAX_ROLLING: usize = 25;

/// The Application Manager's limit and the relay's defaults, all of them so many times as fast.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Faster(u32);

impl Faster {
    fn limit(self) -> u32 {
        15 * self.0
    }

    fn rate(self) -> f64 {
        f64::from(12 * self.0)
    }

    fn poll(self) -> Duration {
        Duration::from_secs(5) / self.0
    }

    fn roll(self) -> Duration {
        Duration::from_secs(4) / self.0
    }

    /// A tenth longer than so many requests take that are as fast as Anypoint lets them be.
    fn bound(self) -> Duration {
        let requests = u32::try_from(APPLICATIONS * REQUESTS).unwrap();
        Duration::from_secs(1) * requests / self.limit() * 11 / 10
    }
}

struct Fleet {
    bench: Bench,
    /// Each target with its application, by connection.
    apps: [Vec<(String, App)>; 2],
    faster: Faster,
}

impl Fleet {
    async fn new(faster: Faster) -> Self {
        let bench = Bench::new().await;
        bench.anypoint.set_application_manager_limit(Some(faster.limit()));
        bench.aws.create_secret("prod/shared", "first-token");
        let second = bench.anypoint.add_environment(false);
        let apps = CONNECTIONS.map(|connection| {
            let app = |number: usize| {
                let app = format!("app-{number:03}");
                let old = [("token", "old")];
                let deployed = match connection {
                    "test" => second.deploy(&app, NONE, old),
                    _ => bench.anypoint.deploy(&app, NONE, old),
                };
                deployed.roll_time(faster.roll());
                (format!("{connection}-{number:03}"), deployed)
            };
            (0..APPLICATIONS / 2).map(app).collect()
        });
        let mut fleet = Self { bench, apps, faster };
        let poll = format!("confirm_poll: {}ms", faster.poll().as_millis());
        let text = fleet.bench.file_with(&fleet.targets(), &[("test", &second)]);
        let text = text.replace("    base_url", &format!("    max_rolling: {MAX_ROLLING}\n    base_url"));
        let text = text.replace("confirm_poll: 20ms", &poll).replace("workers: 8", "workers: 16");
        let rate = faster.rate();
        fleet
            .bench
            .start_beyond(&text, |config| {
                for connection in config.connections.values_mut() {
                    assert_eq!(connection.max_rolling, MAX_ROLLING);
                    connection.rates.application_manager = rate;
                }
            })
            .await;
        fleet
    }

    fn targets(&self) -> String {
        let target = |connection: &str, number: usize, name: &str| {
            ORDERS_TARGET
                .replace("  orders-api:", &format!("  {name}:"))
                .replace("deployment: orders-api", &format!("deployment: app-{number:03}"))
                .replace("connection: prod", &format!("connection: {connection}"))
                .replace("db.user: { secret: prod/orders/db, field: username }", "")
                .replace(
                    "db.password: { secret: prod/orders/db, field: password }",
                    "token: { secret: prod/shared }",
                )
        };
        let mut targets = String::new();
        for (connection, apps) in CONNECTIONS.iter().zip(&self.apps) {
            for (number, (name, _)) in apps.iter().enumerate() {
                targets += &target(connection, number, name);
            }
        }
        targets
    }

    #[expect(clippy::print_stderr, reason = "the figures are for whoever runs it with --nocapture")]
    /// All are due since `started`, for the `rotation`th time, and run with `token` at the end.
    async fn rolls(&self, rotation: usize, token: &str, started: Instant) {
        let (bench, faster) = (&self.bench, self.faster);
        let holds = |app: &App| app.running().iter().all(|replica| replica.secure["token"] == token);
        let in_sync = |target: &str| {
            bench.board().outcome(&name(target)).is_some_and(|outcome| outcome.label() == "in_sync")
        };
        // One after another: a look at all of them every few milliseconds takes more than the relay does.
        let mut waiting: Vec<_> = self.apps.iter().flatten().collect();
        let arrived = || {
            while waiting.pop_if(|(target, app)| holds(app) && in_sync(target)).is_some() {}
            waiting.is_empty()
        };
        wait_until(format!("{token} everywhere"), 3 * faster.bound() + LIMIT, arrived).await;
        let took = started.elapsed();
        bench.idle().await;

        let asked = bench.anypoint.requests();
        let kinds = [Endpoint::DeploymentList, Endpoint::DeploymentGet, Endpoint::DeploymentPatch];
        let asked = kinds.map(|kind| asked.of(kind));
        let at_once = self.apps.each_ref().map(|apps| most_at_once(apps));
        eprintln!(
            "{faster:?}, {token}: {asked:?} lists, looks, writes in {took:.1?}, bound {:.1?}; {at_once:?} at once",
            faster.bound()
        );
        assert_eq!(bench.anypoint.over_application_manager_limit(), 0);
        assert!(asked.iter().sum::<usize>() <= APPLICATIONS * REQUESTS, "{asked:?}");
        assert!(at_once.iter().all(|rolls| *rolls <= MAX_ROLLING), "{at_once:?}");
        for (target, app) in self.apps.iter().flatten() {
            assert_eq!(app.history().rolls(), rotation, "{target}");
            let of_its_own = bench.anypoint.log().count_of(|request| request.path.ends_with(app.id()));
            assert!(of_its_own < REQUESTS, "{of_its_own} requests for {target} alone");
        }
        let describes = bench.asked("DescribeSecret");
        assert!(describes <= APPLICATIONS * 5, "{describes}: who waits for a turn reads nothing");
        if faster == Faster(1) {
            assert!(took <= faster.bound(), "{took:?}");
        }
        bench.anypoint.log().clear();
        bench.aws.log().clear();
    }
}

/// The most of these that ever rolled at the same time.
fn most_at_once(apps: &[(String, App)]) -> usize {
    let writes = apps.iter().flat_map(|(_, app)| app.history().writes);
    // An end comes before a beginning at the same time.
    let mut moments: Vec<(Timestamp, i32)> =
        writes.flat_map(|write| [(write.at, 1), (write.ended.unwrap(), -1)]).collect();
    moments.sort_unstable();
    let rolling = moments.iter().scan(0, |rolling, (_, change)| {
        *rolling += change;
        Some(*rolling)
    });
    usize::try_from(rolling.max().unwrap_or_default()).unwrap()
}

#[tokio::test]
#[ignore = "twelve seconds of a quiet machine; with REAL_RATES=1 three minutes"]
async fn two_hundred_applications_over_two_connections_stay_within_the_limits() {
    #[expect(clippy::disallowed_methods, reason = "the caller says how long the test may take")]
    let real = std::env::var("REAL_RATES").is_ok();
    let started = Instant::now();
    let fleet = Fleet::new(Faster(if real { 1 } else { 10 })).await;
    fleet.rolls(1, "first-token", started).await;

    fleet.bench.tell_by_eventbridge();
    let started = Instant::now();
    fleet.bench.aws.secret("prod/shared").unwrap().rotate("second-token");
    fleet.rolls(2, "second-token", started).await;
}
