//! The relay's own credentials rotate while fifty notifications a second keep coming: none is refused, none is
//! lost. Each test does what `docs/SECURITY.md` tells operators to do.

mod doors;
mod outside;

use std::time::Duration;

use anypoint_sandbox::anypoint::NONE;
use anypoint_sandbox::aws::{ApiDestination, Auth, Secret, Sink};
use anypoint_sandbox::wait_until;
use serde_json::json;
use tokio::time::interval;

use crate::support::{Bench, LIMIT};

/// Between two notifications.
const PACE: Duration = Duration::from_millis(20);
/// So many take a second, which is what passes between two steps of an operator.
const A_SECOND: usize = 50;

const APPLICATIONS: [&str; 3] = ["orders-api", "billing-api", "stock-api"];

fn secret_of(application: &str) -> String {
    format!("prod/{application}/db")
}

/// Applications, each with a secret of its own.
async fn bench() -> Bench {
    let bench = Bench::new().await;
    for application in APPLICATIONS {
        bench.aws.create_secret(&secret_of(application), json!({ "password": "password-0" }));
        bench.anypoint.deploy(application, NONE, [("db.password", "none yet")]);
    }
    bench
}

fn targets() -> String {
    let target = |application: &str| {
        let source = format!("{{ secret: {}, field: password }}", secret_of(application));
        format!(
            "  {application}: {{ kind: application, platform: cloudhub2, connection: prod, \
             deployment: {application}, coalesce: 10ms, secure_properties: {{ db.password: {source} }} }}\n"
        )
    };
    APPLICATIONS.map(target).concat()
}

/// Every application runs with this password.
async fn arrives(bench: &Bench, password: &str) {
    for application in APPLICATIONS {
        bench.runs_with(application, "db.password", password).await;
    }
}

/// Secrets that rotate, one of them at each notification.
struct Rotating<'a> {
    bench: &'a Bench,
    secrets: Vec<Secret>,
    rotations: usize,
}

impl<'a> Rotating<'a> {
    /// Begins when the relay has caught up with what is there.
    async fn new(bench: &'a Bench) -> Self {
        arrives(bench, "password-0").await;
        let secrets = APPLICATIONS.map(|application| bench.aws.secret(&secret_of(application)).unwrap());
        Self { bench, secrets: secrets.into(), rotations: 0 }
    }

    /// Fifty rotations, evenly over a second, each followed by `tell`.
    async fn for_a_second(&mut self, mut tell: impl FnMut(&Secret)) {
        let mut pace = interval(PACE);
        for _ in 0..A_SECOND {
            pace.tick().await;
            let secret = &self.secrets[self.rotations % self.secrets.len()];
            self.rotations += 1;
            secret.rotate_password(&format!("password-{}", self.rotations));
            tell(secret);
        }
    }

    /// Every replica runs with the newest password of its secret.
    async fn arrive(&self) {
        for (application, secret) in APPLICATIONS.iter().zip(&self.secrets) {
            let newest = secret.current_value().field("password").unwrap();
            self.bench.runs_with(application, "db.password", &newest).await;
        }
    }
}

/// A connection of EventBridge that tells of every rotation.
struct Bus(ApiDestination);

impl Bus {
    fn open(bench: &Bench, hooks: &str, auth: Auth) -> Self {
        let destination = bench.aws.api_destination(format!("{hooks}/hooks/eventbridge"), auth);
        bench.aws.emit_on_rotation(&Sink::Destination(destination.clone()));
        Self(destination)
    }

    /// Each of so many notifications was taken at the first attempt.
    async fn was_never_refused(&self, notifications: usize) {
        wait_until("an answer to each notification", LIMIT, || self.0.attempts().len() >= notifications)
            .await;
        let attempts = self.0.attempts();
        assert!(attempts.iter().all(|attempt| attempt.outcome.is_success()), "{attempts:#?}");
        assert_eq!(attempts.len(), notifications);
    }
}
