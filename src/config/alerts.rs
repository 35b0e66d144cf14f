//! `alerts`: when people are told that a target stays stale, and where besides the log.

use std::time::Duration;

use super::decode::Value;
use super::runtime::TICK;
use super::scalar::{self, duration};
use super::{Alerts, Ingress};
use crate::model::TopicArn;

const WEEK: Duration = Duration::from_hours(7 * 24);

pub(super) fn default_alerts() -> Alerts {
    Alerts { stale_after: Duration::from_mins(15), repeat: Duration::from_hours(24), topic: None }
}

pub(super) fn alerts(value: &Value<'_>, ingress: &Ingress) -> Option<Alerts> {
    let default = default_alerts();
    let mut fields = value.fields("`alerts`")?;
    let alerts = Alerts {
        stale_after: fields.or("stale_after", default.stale_after, duration(TICK, WEEK)),
        repeat: fields.or("repeat", default.repeat, duration(TICK, 52 * WEEK)),
        topic: fields.optional("topic", |value| topic(value, ingress)),
    };
    fields.finish();
    Some(alerts)
}

fn topic(value: &Value<'_>, ingress: &Ingress) -> Option<TopicArn> {
    let topic = scalar::topic(value)?;
    if topic.as_str().strip_suffix(".fifo").is_some() {
        return value
            .refuse("a FIFO topic wants a message group, and alerts belong to none; use a standard topic");
    }
    if ingress.sns.as_ref().is_some_and(|sns| sns.topics.contains(&topic)) {
        return value.refuse("listed under `ingress.sns.topics`: the relay would be sent its own alerts");
    }
    Some(topic)
}
