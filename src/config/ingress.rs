//! `ingress`: who may notify, and how each sender proves itself.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use http::HeaderName;

use super::decode::{Fields, Value};
use super::oauth::oauth;
use super::scalar::{self, choice, duration, flag, line};
use super::source::credential;
use super::{
    Confirm, EventBridgeAuth, EventBridgeIngress, Ingress, SnsEmulator, SnsIngress, TriggerIngress,
    TriggerKey, TriggerKeyKind,
};
use crate::credential::CredentialRef;
use crate::model::TopicArn;
use crate::webhook_signature::PublicKey;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
/// Each of these costs one HMAC, or up to eight checks of a signature, per unsigned request.
const MAX_KEYS: usize = 8;

pub(super) fn ingress(value: &Value<'_>) -> Option<Ingress> {
    let mut fields = value.fields("`ingress`")?;
    let ingress = Ingress {
        sns: fields.optional("sns", sns),
        eventbridge: fields.optional("eventbridge", eventbridge),
        trigger: fields.optional("trigger", trigger),
    };
    fields.finish();
    Some(ingress)
}

fn sns(value: &Value<'_>) -> Option<SnsIngress> {
    let mut fields = value.fields("`sns`")?;
    let topics = fields.required("topics", "the ARNs of the topics that are listened to", |value| {
        distinct(value, "a list of topic ARNs", topic)
    });
    let confirm = fields.or(
        "confirm",
        Confirm::Auto,
        choice(
            "a way to confirm",
            &[("auto", Confirm::Auto), ("api", Confirm::Api), ("url", Confirm::Url), ("off", Confirm::Off)],
        ),
    );
    let require_version_2 = fields.or("require_version_2", false, flag);
    // SNS may retry for 3,600 s with the timestamp unchanged; a shorter window refuses honest retries.
    let max_age = fields.or("max_age", Duration::from_mins(75), duration(SECOND, 24 * HOUR));
    let max_ahead = fields.or("max_ahead", Duration::from_mins(5), duration(Duration::ZERO, HOUR));
    let emulator = fields.or("emulator", SnsEmulator::default(), emulator);
    fields.finish();
    Some(SnsIngress { topics: topics?, confirm, require_version_2, max_age, max_ahead, emulator })
}

fn topic(value: &Value<'_>) -> Option<TopicArn> {
    let topic = scalar::topic(value)?;
    // AWS: FIFO topics have no HTTP subscriptions.
    if topic.as_str().strip_suffix(".fifo").is_some() {
        return value.refuse("a FIFO topic does not deliver over HTTPS; use a standard topic");
    }
    Some(topic)
}

fn emulator(value: &Value<'_>) -> Option<SnsEmulator> {
    let mut fields = value.fields("`emulator`")?;
    let connect = fields.known_or("connect", None, |value| scalar::address(value).map(Some));
    let extra_root = fields.optional("extra_root", scalar::path);
    let certificate_path = fields.optional("certificate_path", |value| {
        let path = line("a path such as /_aws/sns/")(value)?;
        if !path.starts_with('/') {
            return value.expected("a path such as /_aws/sns/, beginning with a `/`");
        }
        let leads_here = |connect: Option<SocketAddr>| connect.is_some_and(|to| to.ip().is_loopback());
        if !connect.is_none_or(leads_here) {
            return value.refuse(
                "a further certificate path is for emulators on this machine only: set `connect` to a loopback \
                 address such as 127.0.0.1:4566, or leave the path out",
            );
        }
        Some(path)
    });
    fields.finish();
    let emulator = SnsEmulator { connect: connect?, extra_root, certificate_path };
    let shown = [
        emulator.connect.map(|address| format!("connect {address}")),
        emulator.extra_root.as_ref().map(|file| format!("extra_root {}", file.display())),
        emulator.certificate_path.as_ref().map(|path| format!("certificate_path {path}")),
    ];
    let relaxed: Vec<String> = shown.into_iter().flatten().collect();
    if !relaxed.is_empty() {
        value.warn(format!(
            "verification is relaxed for tests and emulators ({}); leave this out in production",
            relaxed.join(", ")
        ));
    }
    Some(emulator)
}

fn eventbridge(value: &Value<'_>) -> Option<EventBridgeIngress> {
    let mut fields = value.fields("`eventbridge`")?;
    let auth =
        fields.required("auth", "`api_key`, `basic` or `oauth`, as in the EventBridge connection", auth);
    let rule = fields.optional("rule", scalar::rule);
    let accounts =
        fields.optional("accounts", |value| distinct(value, "a list of account ids", scalar::account));
    let regions = fields.optional("regions", |value| distinct(value, "a list of regions", scalar::region));
    fields.finish();
    Some(EventBridgeIngress {
        auth: auth?,
        rule,
        accounts: accounts.unwrap_or_default().into_iter().collect(),
        regions: regions.unwrap_or_default().into_iter().collect(),
    })
}

fn auth(value: &Value<'_>) -> Option<EventBridgeAuth> {
    let mut fields = value.fields("`auth`")?;
    let api_key = fields.get("api_key");
    let basic = fields.get("basic");
    let token = fields.get("oauth");
    let strangers = fields.finish_unquoted();
    match (api_key, basic, token) {
        (Some(api_key), None, None) => {
            let mut fields = api_key.fields("`api_key`")?;
            let header = fields.or("header", "x-api-key".to_owned(), header);
            let values = one_or_two(&mut fields, "value", "values");
            fields.finish_unquoted();
            Some(EventBridgeAuth::ApiKey { header, values: values? })
        }
        (None, Some(basic), None) => {
            let mut fields = basic.fields("`basic`")?;
            let username = fields.required(
                "username",
                "the user name of the EventBridge connection",
                scalar::basic_user_name,
            );
            let passwords = one_or_two(&mut fields, "password", "passwords");
            fields.finish_unquoted();
            Some(EventBridgeAuth::Basic { username: username?, passwords: passwords? })
        }
        (None, None, Some(token)) => oauth(&token).map(EventBridgeAuth::OAuth),
        (None, None, None) if strangers => None,
        (None, None, None) => {
            value.refuse("expected `api_key`, `basic` or `oauth`, as in the EventBridge connection")
        }
        _ => value.refuse("give only one of `api_key`, `basic` and `oauth`"),
    }
}

fn header(value: &Value<'_>) -> Option<String> {
    let what = "the name of a header such as x-api-key";
    match HeaderName::from_bytes(value.text(what)?.as_bytes()) {
        Ok(name) => Some(name.as_str().to_owned()),
        Err(_) => value.expected(what),
    }
}

/// One credential under `single`, or one or two under `plural`: two while one replaces the other.
pub(super) fn one_or_two(
    fields: &mut Fields<'_>,
    single: &'static str,
    plural: &'static str,
) -> Option<Vec<CredentialRef>> {
    match (fields.get(single), fields.get(plural)) {
        (Some(one), None) => Some(vec![credential(&one)?]),
        (None, Some(list)) => {
            let values = distinct(&list, "a list of one or two credentials", credential)?;
            if values.len() > 2 {
                return list.refuse("at most two values at once: the present one and the next");
            }
            Some(values)
        }
        (None, None) => {
            fields.whole().refuse(format!("`{single}` is missing: a reference such as {{ env: NAME }}"))
        }
        (Some(_), Some(_)) => fields.whole().refuse(format!("give only one of `{single}` and `{plural}`")),
    }
}

fn trigger(value: &Value<'_>) -> Option<TriggerIngress> {
    let mut fields = value.fields("`trigger`")?;
    let keys = fields.required("keys", "one to eight keys, each with `id` and `value` or `public_key`", keys);
    let tolerance = fields.or("tolerance", Duration::from_mins(5), duration(SECOND, HOUR));
    fields.finish();
    Some(TriggerIngress { keys: keys?, tolerance })
}

fn keys(value: &Value<'_>) -> Option<Vec<TriggerKey>> {
    let items = value.items("a list of keys")?;
    if items.is_empty() || items.len() > MAX_KEYS {
        return value.refuse(format!("expected one to eight keys, found {}", items.len()));
    }
    let mut ids = BTreeSet::new();
    let keys: Vec<Option<TriggerKey>> = items
        .iter()
        .map(|item| {
            let mut fields = item.fields("a key")?;
            let id = fields.required("id", "a name for logs and audit", |value| {
                let id = line("a name for logs and audit")(value)?;
                if !ids.insert(id.clone()) {
                    return value.refuse("another key has this id already; give each its own");
                }
                Some(id)
            });
            let (shared, public) = (fields.get("value"), fields.get("public_key"));
            let whole = fields.whole().clone();
            fields.finish_unquoted();
            let key = match (shared, public) {
                (Some(shared), None) => credential(&shared).map(TriggerKeyKind::Shared),
                (None, Some(public)) => public_key(&public).map(TriggerKeyKind::Public),
                (None, None) => whole.refuse(
                    "`value` is missing: a reference such as { env: TRIGGER_KEY } (or `public_key`, where the \
                     sender signs with an Ed25519 key)",
                ),
                (Some(_), Some(_)) => whole.refuse("give only one of `value` and `public_key`"),
            };
            Some(TriggerKey { id: id?, key: key? })
        })
        .collect();
    keys.into_iter().collect()
}

/// Not quoted in a message: by mistake it may be the private half.
fn public_key(value: &Value<'_>) -> Option<PublicKey> {
    let what = "a public key: whpk_ and the base64 of an Ed25519 key";
    match PublicKey::parse(value.text(what)?) {
        Ok(key) => Some(key),
        Err(_) => value.refuse(format!("expected {what} (what stands here is not shown)")),
    }
}

/// A list of at least one item, each given once.
pub(super) fn distinct<T: Ord + Clone>(
    value: &Value<'_>,
    what: &str,
    read: impl Fn(&Value<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let items = value.items(what)?;
    if items.is_empty() {
        return value.refuse(format!("expected {what}, found an empty one"));
    }
    let mut seen = BTreeSet::new();
    let read: Vec<Option<T>> = items
        .iter()
        .map(|item| {
            let one = read(item)?;
            if seen.insert(one.clone()) { Some(one) } else { item.refuse("listed twice; keep one of them") }
        })
        .collect();
    read.into_iter().collect()
}
