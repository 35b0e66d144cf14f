//! The weather: faults that any request may meet, and gusts in which a whole service fails.

use std::time::Duration;

use anypoint_sandbox::anypoint::{Endpoint, Lands, LostWrite, Seen};
use anypoint_sandbox::aws::{Operation, StalePlan, secrets_error};
use anypoint_sandbox::faults::{Action, Faults, Rule, RuleId};
use fastrand::Rng;
use tokio::time::Instant;

use crate::options::Options;
use crate::schedule::Gust;
use crate::world::World;

/// How long a gust lasts at most, if its requests don't come.
const GUST: Duration = Duration::from_millis(800);

/// What happens to one request, and the share of the faults that it makes up.
type Share = (f64, fn() -> Rule);

/// Steady faults of Anypoint. The last latency is longer than the relay waits, so that a write lands after
/// the relay has given it up, or after its death.
const ANYPOINT: [Share; 12] = [
    (0.20, || late(40)),
    (0.16, || late(250)),
    (0.02, || late(2500)),
    (0.12, || slow(300)),
    (0.05, || Rule::status(500)),
    (0.05, || Rule::status(502).body("<html><body>Bad Gateway</body></html>")),
    (0.05, || Rule::status(503)),
    (0.05, || Rule::status(504)),
    (0.10, || Rule::new(Action::ResetBefore)),
    (0.10, || Rule::new(Action::ResetAfter)),
    (0.08, || Rule::new(Action::TruncateBody)),
    (0.02, || slow(2500)),
];

/// Steady faults of AWS.
const AWS: [Share; 8] = [
    (0.25, || late(30)),
    (0.20, || late(250)),
    (0.10, || secrets_error(500, "InternalServiceError", "An error occurred on the server side.")),
    (0.05, || Rule::status(502)),
    (0.10, || secrets_error(503, "ServiceUnavailable", "The service is not available.")),
    (0.10, || secrets_error(400, "ThrottlingException", "Rate exceeded")),
    (0.10, || Rule::new(Action::ResetBefore)),
    (0.10, || Rule::new(Action::TruncateBody)),
];

/// Steady faults of the endpoints, which keep the order of what reaches them.
const ENDPOINT: [Share; 6] = [
    (0.30, || slow(250)),
    (0.20, || Rule::status(500)),
    (0.10, || Rule::status(503).header("retry-after", "1")),
    (0.20, || Rule::new(Action::ResetBefore)),
    (0.15, || Rule::new(Action::ResetAfter)),
    (0.05, || slow(2500)),
];

fn late(millis: u64) -> Rule {
    // What a shared secret shows of a write has a resolution of one second: one that lands late, in the same
    // second as a newer one, could not be found by anybody. So its delays come after the effect.
    let rule = Rule::new(Action::Latency(Duration::from_millis(millis)));
    rule.when(|seen| seen.tag != Endpoint::SecretPut.tag())
}

fn slow(millis: u64) -> Rule {
    Rule::new(Action::SlowAnswer(Duration::from_millis(millis)))
}

/// What blows at present.
pub(crate) struct Weather {
    /// All rules, with the end of those that have one.
    rules: Vec<(Faults, RuleId, Option<Instant>)>,
}

impl Weather {
    /// Steady faults from now on, and reads of AWS that lag behind.
    pub(crate) fn begin(world: &World, options: &Options, rng: &mut Rng) -> Self {
        let mut weather = Self { rules: Vec::new() };
        let edges: [(&Faults, &[Share]); 4] = [
            (world.anypoint.faults(), &ANYPOINT),
            (world.aws.faults(), &AWS),
            (world.aws.sns_faults(), &AWS[..2]),
            (world.endpoint.faults(), &ENDPOINT),
        ];
        if options.faults > 0.0 {
            for (faults, shares) in edges {
                for (share, rule) in shares {
                    weather.blow(faults, rule().chance(options.faults * share, rng.u64(..)), None);
                }
            }
        }
        for secret in &world.secrets {
            // Some are up to date, some lag, and the two kinds of reads need not agree.
            for operation in [Operation::Describe, Operation::Get] {
                let behind = options.stale.mul_f64(rng.f64());
                if rng.f64() < options.faults && !behind.is_zero() {
                    secret.set_stale(operation, StalePlan::Behind(behind));
                }
            }
        }
        weather
    }

    /// The sky is clear, and late writes land.
    pub(crate) fn end(&mut self, world: &World) {
        for (faults, id, _) in self.rules.drain(..) {
            faults.remove(id);
        }
        world.aws.throttle(0);
        for secret in &world.secrets {
            for operation in [Operation::Describe, Operation::Get] {
                secret.set_stale(operation, StalePlan::Never);
            }
        }
        world.anypoint.lose_no_more();
        world.anypoint.release_held_writes();
    }

    /// A gust, its details drawn from `number`.
    pub(crate) fn gust(&mut self, world: &World, gust: Gust, number: u64) {
        let mut rng = Rng::with_seed(number);
        let few = rng.u64(2..=12);
        let (anypoint, aws) = (world.anypoint.faults(), world.aws.faults());
        match gust {
            Gust::TooMany { says_when } => {
                let rule = Rule::status(429).when(|seen| seen.tag != Endpoint::Token.tag()).times(few);
                let rule = if says_when { rule.header("retry-after", "1") } else { rule };
                self.gust_at(anypoint, rule);
            }
            Gust::Outage => {
                let down = if rng.bool() { Rule::status(503) } else { Rule::new(Action::ResetBefore) };
                self.gust_at(anypoint, down.times(few * 10));
            }
            Gust::TokensExpired => world.anypoint.expire_tokens(),
            Gust::TokensRefused => {
                let rule = Rule::status(401).when(|seen| seen.tag != Endpoint::Token.tag());
                self.gust_at(anypoint, rule.times(few));
            }
            Gust::NoTokens => {
                world.anypoint.expire_tokens();
                let refused = Rule::status(401).body(r#"{"error":"invalid_client"}"#);
                let refused = if rng.bool() { refused } else { Rule::status(503) };
                // After each of these the relay asks for no token for a while.
                self.gust_at(anypoint, refused.tag(Endpoint::Token.tag()).times(few.div_ceil(4)));
            }
            Gust::Throttled => world.aws.throttle(few * 3),
            Gust::CredentialsExpired => {
                let text = "The security token included in the request is expired";
                self.gust_at(aws, secrets_error(400, "ExpiredTokenException", text).times(few * 2));
            }
            Gust::NoCertificates => {
                world.aws.set_signing_certificate(world.aws.authority().signing_certificate().issue());
                let down = if rng.bool() { Rule::status(503) } else { Rule::new(Action::ResetBefore) };
                self.gust_at(world.aws.sns_faults(), down.times(few));
            }
            Gust::NoEndpoint => self.gust_at(world.endpoint.faults(), Rule::status(503).times(few)),
            Gust::LostWrite => {
                let calls = [
                    Endpoint::DeploymentPatch,
                    Endpoint::DeploymentPatch,
                    Endpoint::DeploymentPatch,
                    Endpoint::CloudHubPut,
                    Endpoint::HybridPatch,
                ];
                let lands = [Lands::WhenReleased, Lands::WhenReleased, Lands::Now, Lands::Never];
                let seen = [Seen::Silence, Seen::Status(502), Seen::Status(504)];
                let lost = LostWrite { lands: lands[rng.usize(..4)], seen: seen[rng.usize(..3)] };
                world.anypoint.lose_next_write_of(calls[rng.usize(..5)], lost);
            }
        }
    }

    fn gust_at(&mut self, faults: &Faults, rule: Rule) {
        self.blow(faults, rule, Some(Instant::now() + GUST));
    }

    fn blow(&mut self, faults: &Faults, rule: Rule, until: Option<Instant>) {
        self.rules.push((faults.clone(), faults.add(rule), until));
    }

    /// Takes away the gusts that are over.
    pub(crate) fn settle(&mut self) {
        let now = Instant::now();
        self.rules.retain(|(faults, id, until)| {
            let over = until.is_some_and(|until| until <= now);
            if over {
                faults.remove(*id);
            }
            !over
        });
    }
}
