//! Where work came from, as W3C Trace Context (<https://www.w3.org/TR/trace-context/>) writes it.
//!
//! Only `traceparent` is taken and given: it is of one length, and says all that joins two traces. `tracestate`
//! is others' text, which no part of the relay needs.

use opentelemetry::trace::{Link, SpanContext, TraceState};
use opentelemetry::{SpanId, TraceFlags, TraceId};

/// How many are kept. A run that answers to more is linked to the first of them.
const KEPT: usize = 8;

/// The spans that a run answers to, mostly of notifications: a bounded number, whatever arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<SpanContext>);

impl Origins {
    /// Takes in others, as far as there is room. One notification may hold several events for one target.
    pub fn merge(&mut self, later: Self) {
        for origin in later.0 {
            if self.0.len() < KEPT && !self.0.contains(&origin) {
                self.0.push(origin);
            }
        }
    }

    /// The first of them, if all are of one trace.
    pub(super) fn parent(&self) -> Option<&SpanContext> {
        let first = self.0.first()?;
        self.0.iter().all(|origin| origin.trace_id() == first.trace_id()).then_some(first)
    }

    pub(super) fn links(&self) -> Vec<Link> {
        self.0.iter().map(|origin| Link::with_context(origin.clone())).collect()
    }
}

impl From<Option<SpanContext>> for Origins {
    fn from(origin: Option<SpanContext>) -> Self {
        Self(origin.into_iter().collect())
    }
}

/// The span that a `traceparent` names; none for a text that is not exactly one (section 3.2.2). Of a version
/// that is not known yet the beginning is read, as section 4 has it.
pub(super) fn parse(text: &str) -> Option<SpanContext> {
    let hex = |part: &str, length| {
        let fits =
            part.len() == length && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        fits.then_some(())
    };
    let mut parts = text.splitn(5, '-');
    let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    for (part, length) in [(version, 2), (trace_id, 32), (span_id, 16), (flags, 2)] {
        hex(part, length)?;
    }
    if version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let (trace_id, span_id) = (TraceId::from_hex(trace_id).ok()?, SpanId::from_hex(span_id).ok()?);
    Some(SpanContext::new(trace_id, span_id, flags, true, TraceState::NONE)).filter(SpanContext::is_valid)
}

pub(super) fn traceparent(of: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", of.trace_id(), of.span_id(), of.trace_flags().to_u8())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn some_origin(number: u64) -> SpanContext {
        parse(&format!("00-{number:032x}-{number:016x}-01")).unwrap()
    }

    #[test]
    fn what_is_read_is_written_again() {
        let origin = parse(TEXT).unwrap();
        assert!(origin.is_sampled() && origin.is_remote());
        assert_eq!(traceparent(&origin), TEXT);
        assert!(!parse(&TEXT.replace("-01", "-00")).unwrap().is_sampled());
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let later = TEXT.replacen("00-", "01-", 1).replace("-01", "-ff-more-to-come");
        assert_eq!(parse(&later), parse(TEXT));
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        for (from, to) in [
            ("00-", "ff-"),
            ("00-", "0-"),
            ("-01", ""),
            ("-01", "-01-"),
            ("-01", "-01-x"),
            ("-01", "-1"),
            ("-01", "-0g"),
            ("0af7651916cd43dd8448eb211c80319c", "0AF7651916CD43DD8448EB211C80319C"),
            ("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"),
            ("0af7651916cd43dd8448eb211c80319c", "+af7651916cd43dd8448eb211c80319c"),
            ("b7ad6b7169203331", "0000000000000000"),
            ("b7ad6b7169203331", "b7ad6b716920333"),
        ] {
            let text = TEXT.replacen(from, to, 1);
            assert_eq!(parse(&text), None, "{text}");
        }
        assert_eq!(parse(""), None);
        assert_eq!(parse("é"), None);
    }

    #[test]
    fn what_is_of_one_trace_goes_on_with_it() {
        let mut origins = Origins::from(parse(TEXT));
        origins.merge(parse(&TEXT.replace("b7ad", "b7ae")).into());
        assert_eq!((origins.links().len(), origins.parent()), (2, parse(TEXT).as_ref()));
        origins.merge(parse(&TEXT.replace("0af7", "0af8")).into());
        assert_eq!((origins.links().len(), origins.parent()), (3, None));
        assert_eq!(Origins::default().parent(), None);
    }

    #[test]
    fn a_million_notifications_are_as_many_links_as_eight() {
        let mut origins = Origins::default();
        for number in 1..1000 {
            origins.merge(Some(some_origin(number)).into());
            origins.merge(Some(some_origin(number)).into());
            assert_eq!(origins.parent().is_some(), number == 1);
        }
        assert_eq!(origins.links().len(), KEPT);
        assert_eq!(origins.links()[0].span_context, some_origin(1));
    }
}
