//! A log line as one JSON object.
//!
//! The form is that of tracing-subscriber's own, flattened: time and level, the fields, the span with its fields. That
//! one reads the span's fields back from their text for each line, to write them again; here the text is copied. It
//! is a third of what a line costs, and a line is the dearest part of most notifications (docs/PERFORMANCE.md).

use std::fmt::{self, Debug, Write as _};

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Enough for most lines, so that they are not moved while they grow.
const USUAL: usize = 512;

pub(super) struct JsonLines;

impl<S> FormatEvent<S, JsonFields> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Line { text: Vec::with_capacity(USUAL), scratch: String::new() };
        line.text.push(b'{');
        line.member("timestamp", &time);
        line.member("level", event.metadata().level().as_str());
        event.record(&mut line);
        if let Some(span) = context.lookup_current() {
            line.key("span");
            line.text.push(b'{');
            if let Some(fields) = span.extensions().get::<FormattedFields<JsonFields>>()
                && let Some(members) = fields.fields.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'))
            {
                line.text.extend_from_slice(members.as_bytes());
            }
            line.member("name", span.name());
            line.text.push(b'}');
        }
        line.text.extend_from_slice(b"}\n");
        writer.write_str(std::str::from_utf8(&line.text).map_err(|_| fmt::Error)?)
    }
}

/// A line in the making.
struct Line {
    text: Vec<u8>,
    /// For what is known by its `Debug` alone.
    scratch: String,
}

impl Line {
    fn key(&mut self, name: &str) {
        if self.text.last() != Some(&b'{') {
            self.text.push(b',');
        }
        self.value(name);
        self.text.push(b':');
    }

    fn member(&mut self, name: &str, value: impl Serialize) {
        self.key(name);
        self.value(value);
    }

    fn value(&mut self, value: impl Serialize) {
        let begin = self.text.len();
        // Neither a text nor a number can fail, and memory is always written to.
        if serde_json::to_writer(&mut self.text, &value).is_err() {
            self.text.truncate(begin);
            self.text.extend_from_slice(b"null");
        }
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Where a record of the crate `log` came from: its callers' files and lines.
        if field.name().starts_with("log.") {
            return;
        }
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        if write!(text, "{value:?}").is_ok() {
            self.member(field.name(), &text);
        }
        self.scratch = text;
    }
}
