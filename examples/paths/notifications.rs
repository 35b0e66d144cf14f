//! What a request says once its sender is known: the events, and the id it is known by in the log.

use std::hint::black_box;

use anypoint_relay::events;
use anypoint_relay::http::request_id::{HEADER, RequestId};
use anypoint_relay::model::Change;
use axum::http::{HeaderMap, HeaderValue};

use crate::Turn;

/// `Secret Label Updated`.
pub(crate) fn native() -> Turn {
    parse(include_bytes!("../../tests/fixtures/events/native-current.json"))
}

/// A call of PutSecretValue as CloudTrail tells of it.
pub(crate) fn cloudtrail() -> Turn {
    parse(include_bytes!("../../tests/fixtures/events/api-put-secret-value.json"))
}

fn parse(body: &'static [u8]) -> Turn {
    Box::new(move || {
        let events = events::parse(black_box(body)).expect("an event");
        assert!(matches!(events[..], [ref event] if event.change == Change::Value));
    })
}

/// An id that the caller gave.
pub(crate) fn given_id() -> Turn {
    let id = "Root=1-67891233-abcdef012345678912345678";
    let headers = HeaderMap::from_iter([(HEADER, HeaderValue::from_static(id))]);
    Box::new(move || assert_eq!(RequestId::of(black_box(&headers)).as_str(), id))
}

/// One that is made because the caller gave none.
pub(crate) fn fresh_id() -> Turn {
    let headers = HeaderMap::new();
    Box::new(move || assert_eq!(RequestId::of(black_box(&headers)).as_str().len(), 32))
}
