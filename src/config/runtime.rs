//! `listen`, `limits`, `admin`, `aws`, `reconcile`, `queue` and `log`: how the relay itself runs.
//!
//! Each bound is where a setting would begin to break a promise or a sender's time limit; below it
//! tests may be as impatient as they like.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use tracing_subscriber::filter::Targets;

use super::decode::{Fields, Value};
use super::ingress::{distinct, one_or_two};
use super::scalar::{self, address, choice, duration, size, whole};
use super::{Admin, Aws, Limits, Log, LogFormat, Queue, Reconcile};
use crate::credential::CredentialRef;

/// Where the hooks listen unless told otherwise.
pub(super) const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8080);

/// Shortest timer that makes sense; below it a loop would spin.
pub(super) const TICK: Duration = Duration::from_millis(10);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

pub(super) fn default_limits() -> Limits {
    Limits {
        body_bytes: 1024 * 1024,
        request_timeout: Duration::from_secs(4),
        concurrency: 256,
        failed_attempts: 30,
        trusted_proxies: Vec::new(),
    }
}

pub(super) fn limits(value: &Value<'_>) -> Option<Limits> {
    let default = default_limits();
    let mut fields = value.fields("`limits`")?;
    let limits = Limits {
        body_bytes: fields.or("body", default.body_bytes, size(1024..=16 * 1024 * 1024)),
        // EventBridge gives up after 5 s and counts that as a failure.
        request_timeout: fields.or(
            "request_timeout",
            default.request_timeout,
            duration(TICK, Duration::from_millis(4_900)),
        ),
        concurrency: fields.or("concurrency", default.concurrency, whole(1..=65_536)),
        failed_attempts: fields.or("failed_attempts", default.failed_attempts, whole(1..=10_000)),
        trusted_proxies: fields.or("trusted_proxies", default.trusted_proxies, |value| {
            distinct(value, "a list of addresses and networks", network)
        }),
    };
    fields.finish();
    Some(limits)
}

fn network(value: &Value<'_>) -> Option<IpNet> {
    let what = "an address or a network such as 10.0.0.0/8";
    let text = value.text(what)?;
    let network = match text.parse::<IpAddr>() {
        Ok(address) => Some(IpNet::from(address.to_canonical())),
        Err(_) => text.parse::<IpNet>().ok(),
    };
    match network {
        Some(network) if network.prefix_len() == 0 => {
            value.refuse("everybody is no proxy; name the addresses of those that stand before the relay")
        }
        Some(network) if network.trunc() == network => Some(network),
        Some(network) => value.expected(&format!("the network {}", network.trunc())),
        None => value.expected(what),
    }
}

pub(super) fn default_admin() -> Admin {
    let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);
    Admin { listen, tokens: Vec::new(), operators: Vec::new(), tls: None }
}

/// `off`, or the listener's settings. `hooks` is the address that it must leave alone, if it is known.
#[expect(clippy::option_option, reason = "outside: could it be read; inside: is there a listener")]
pub(super) fn admin(value: &Value<'_>, hooks: Option<SocketAddr>) -> Option<Option<Admin>> {
    if value.written().is_some() {
        return match value.text("`off` or a mapping such as { listen: 127.0.0.1:9090 }")? {
            "off" => Some(None),
            _ => value.expected("`off` or a mapping such as { listen: 127.0.0.1:9090 }"),
        };
    }
    let mut fields = value.fields("`admin`")?;
    let tokens = up_to_two(&mut fields, "token", "tokens");
    let operators = up_to_two(&mut fields, "operator_token", "operator_tokens");
    let both = tokens.iter().flatten().find(|token| operators.iter().flatten().any(|other| other == *token));
    if let Some(token) = both {
        fields.whole().refuse::<()>(format!(
            "{token} is listed for operators too, who may look as well; leave it out of `token` and `tokens`"
        ));
    }
    let given = fields.get("tls");
    let tls = given.as_ref().and_then(super::tls::tls);
    let listen = fields.or("listen", default_admin().listen, |value| {
        let listen = address(value)?;
        if hooks == Some(listen) && listen.port() != 0 {
            return value
                .refuse(format!("{listen} is the address of the hooks; give the admin listener its own"));
        }
        let open = tokens.as_ref().zip(operators.as_ref()).is_some_and(|(a, b)| a.is_empty() && b.is_empty());
        if !listen.ip().is_loopback() && open {
            return value.refuse(format!(
                "other machines can reach {listen}: add `token: {{ env: NAME }}` or `operator_token`, or listen on \
                 127.0.0.1"
            ));
        }
        if !listen.ip().is_loopback() && given.is_none() {
            value.warn("its token goes over the network unencrypted; give `admin` its own `tls`, or encrypt before it");
        }
        Some(listen)
    });
    fields.finish();
    Some(Some(Admin { listen, tokens: tokens?, operators: operators?, tls }))
}

fn up_to_two(
    fields: &mut Fields<'_>,
    single: &'static str,
    plural: &'static str,
) -> Option<Vec<CredentialRef>> {
    match (fields.get(single), fields.get(plural)) {
        (None, None) => Some(Vec::new()),
        _ => one_or_two(fields, single, plural),
    }
}

pub(super) fn default_aws() -> Aws {
    Aws {
        region: None,
        endpoint: None,
        timeout: Duration::from_secs(10),
        freshness: Duration::from_secs(30),
        settle: Duration::from_secs(5),
    }
}

pub(super) fn aws(value: &Value<'_>) -> Option<Aws> {
    let default = default_aws();
    let mut fields = value.fields("`aws`")?;
    let aws = Aws {
        region: fields.optional("region", scalar::region),
        endpoint: fields.optional("endpoint", |value| {
            let url = scalar::url(value)?;
            value.warn("AWS is asked at this endpoint instead of its own");
            Some(url.as_str().trim_end_matches('/').to_owned())
        }),
        timeout: fields.or("timeout", default.timeout, duration(TICK, 5 * MINUTE)),
        freshness: fields.or("freshness", default.freshness, duration(Duration::ZERO, 10 * MINUTE)),
        settle: fields.or("settle", default.settle, duration(Duration::ZERO, MINUTE)),
    };
    fields.finish();
    Some(aws)
}

pub(super) fn default_reconcile() -> Reconcile {
    Reconcile { interval: 5 * MINUTE, targets_interval: 30 * MINUTE }
}

pub(super) fn reconcile(value: &Value<'_>) -> Option<Reconcile> {
    let default = default_reconcile();
    let mut fields = value.fields("`reconcile`")?;
    let reconcile = Reconcile {
        interval: fields.or("interval", default.interval, duration(TICK, DAY)),
        targets_interval: fields.or("targets_interval", default.targets_interval, duration(TICK, DAY)),
    };
    fields.finish();
    Some(reconcile)
}

pub(super) fn default_queue() -> Queue {
    Queue {
        workers: 16,
        retry_base: Duration::from_secs(1),
        retry_cap: 5 * MINUTE,
        slow_retry: 30 * MINUTE,
        confirm_poll: Duration::from_secs(5),
    }
}

pub(super) fn queue(value: &Value<'_>) -> Option<Queue> {
    let default = default_queue();
    let mut fields = value.fields("`queue`")?;
    let workers = fields.or("workers", default.workers, whole(1..=1024));
    let retry_base = fields.known_or("retry_base", default.retry_base, duration(TICK, HOUR));
    let retry_cap = fields.known_or("retry_cap", default.retry_cap, duration(TICK, DAY));
    let slow_retry = fields.or("slow_retry", default.slow_retry, duration(TICK, DAY));
    let confirm_poll = fields.or("confirm_poll", default.confirm_poll, duration(TICK, 10 * MINUTE));
    if retry_base.zip(retry_cap).is_some_and(|(base, cap)| cap < base) {
        fields.whole().refuse::<()>(
            "`retry_cap` is shorter than `retry_base`; the backoff grows from the base to the cap",
        );
    }
    fields.finish();
    Some(Queue { workers, retry_base: retry_base?, retry_cap: retry_cap?, slow_retry, confirm_poll })
}

pub(super) fn default_log() -> Log {
    Log { format: LogFormat::Json, filter: "info".to_owned() }
}

pub(super) fn log(value: &Value<'_>) -> Option<Log> {
    let default = default_log();
    let mut fields = value.fields("`log`")?;
    let log = Log {
        format: fields.or(
            "format",
            default.format,
            choice("a log format", &[("json", LogFormat::Json), ("pretty", LogFormat::Pretty)]),
        ),
        filter: fields.or("filter", default.filter, filter),
    };
    fields.finish();
    Some(log)
}

fn filter(value: &Value<'_>) -> Option<String> {
    let what = "a log filter such as info or anypoint_relay=debug,info";
    let text = value.text(what)?;
    // `[` begins the name of a span, which is taken for a part of a module here, and would match nothing.
    if text.parse::<Targets>().is_ok() && !text.contains('[') {
        Some(text.to_owned())
    } else {
        value.expected(what)
    }
}
