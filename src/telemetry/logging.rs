//! Log lines: form, level, and what no setting can switch on.
//!
//! Guarantee: of all crates but this one nothing below `info` is written, whatever the filter says.
//! HTTP stacks and SDKs quote requests and answers at `debug` and `trace`, and those carry values.

mod json_lines;

use std::io::{self, IsTerminal, Write};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt, FilterFn, ParseError, Targets, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{Log, LogFormat};
use json_lines::JsonLines;

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter is not one.
    #[error("log filter {filter:?} is not valid; an example is \"info\" or \"anypoint_relay=debug,info\"")]
    Filter {
        /// As configured.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
    /// Something in this process logs already.
    #[error("logging is set up already")]
    Twice(#[source] TryInitError),
}

/// Sends the log lines of the whole process to standard error.
pub fn init(log: &Log) -> Result<(), LoggingError> {
    // no-color.org
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let color = log.format == LogFormat::Pretty && io::stderr().is_terminal() && !unwanted;
    subscriber(log, io::stderr, color)?.try_init().map_err(LoggingError::Twice)
}

/// A subscriber that writes as configured, for [`init`] and for tests that read the lines.
pub fn subscriber<W>(
    log: &Log,
    writer: W,
    color: bool,
) -> Result<impl Subscriber + Send + Sync + 'static, LoggingError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = Targets::from_str(&log.filter)
        .map_err(|source| LoggingError::Filter { filter: log.filter.clone(), source })?;
    let filter = filter.and(quiet_libraries());
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(color);
    let layer = match log.format {
        // Without the module's path, whose key `target` is that of our targets: no key comes twice. No span is in
        // another, so the innermost says it all.
        LogFormat::Json => {
            lines.fmt_fields(JsonFields::new()).event_format(JsonLines).with_filter(filter).boxed()
        }
        LogFormat::Pretty => lines.compact().with_filter(filter).boxed(),
    };
    Ok(Registry::default().with(layer))
}

fn quiet_libraries() -> FilterFn<fn(&Metadata<'_>) -> bool> {
    filter_fn(|metadata| *metadata.level() <= Level::INFO || is_ours(metadata.target()))
}

fn is_ours(target: &str) -> bool {
    target.strip_prefix("anypoint_relay").is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Log lines kept in memory, for tests. Clones share what was written.
#[derive(Clone, Debug, Default)]
pub struct Capture(Arc<Mutex<Vec<u8>>>);

impl Capture {
    /// Everything written so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Capture {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(format: LogFormat, filter: &str, emit: impl FnOnce()) -> String {
        let capture = Capture::default();
        let log = Log { format, filter: filter.to_owned() };
        tracing::subscriber::with_default(subscriber(&log, capture.clone(), false).unwrap(), emit);
        capture.text()
    }

    #[test]
    fn a_json_line_holds_message_fields_and_the_span() {
        let text = logged(LogFormat::Json, "info", || {
            let _guard = tracing::info_span!("run", target_name = "orders").entered();
            tracing::info!(attempts = 2, "run ended");
        });
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(line["message"], "run ended");
        assert_eq!(line["attempts"], 2);
        assert_eq!(line["span"]["target_name"], "orders");
    }

    #[test]
    fn a_json_line_is_what_tracing_subscriber_makes_of_it() {
        fn emit() {
            let span = tracing::info_span!(
                "run",
                text = "a \"quoted\" \u{1}",
                number = 7,
                late = tracing::field::Empty
            );
            let _guard = span.entered();
            tracing::Span::current().record("late", "recorded later");
            let error = io::Error::other("line\nfeed");
            let (float, maybe) = (0.5, Some("x"));
            tracing::warn!(%error, float, ?maybe, yes = true, negative = -1, r#type = "raw", "with \u{e9}");
            tracing::error!(error = &error as &dyn std::error::Error);
        }
        let (theirs, log) = (Capture::default(), Log { format: LogFormat::Json, filter: "info".to_owned() });
        let lines = tracing_subscriber::fmt::layer().with_writer(theirs.clone()).json().flatten_event(true);
        let lines = lines.with_target(false).with_span_list(false);
        tracing::subscriber::with_default(Registry::default().with(lines), emit);
        let read = |text: &str| -> Vec<serde_json::Value> {
            let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
            let mut lines: Vec<serde_json::Value> = lines.collect();
            for line in &mut lines {
                line["timestamp"] = "now".into();
            }
            lines
        };
        let ours = logged(log.format, &log.filter, emit);
        assert_eq!(read(&ours), read(&theirs.text()));
        assert_eq!(ours.lines().count(), 2);
        let _guard = tracing::subscriber::set_default(subscriber(&log, theirs.clone(), false).unwrap());
        tracing::info_span!("empty").in_scope(|| tracing::info!("bare"));
        assert!(theirs.text().ends_with("\"message\":\"bare\",\"span\":{\"name\":\"empty\"}}\n"));
    }

    #[test]
    fn a_json_line_about_a_target_names_it_and_has_no_key_twice() {
        let text = logged(LogFormat::Json, "info", || tracing::info!(target = "orders", "run ended"));
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(line["target"], "orders");
        assert_eq!(text.matches("\"target\"").count(), 1, "{text}");
    }

    #[test]
    fn a_line_for_people_has_no_colors_unless_asked_for() {
        let text = logged(LogFormat::Pretty, "info", || tracing::warn!(attempts = 2, "run ended"));
        assert!(text.contains("run ended") && text.contains("attempts=2"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn the_filter_decides_what_is_written() {
        let text = logged(LogFormat::Json, "warn,anypoint_relay=debug", || {
            tracing::debug!("ours");
            tracing::info!(target: "hyper", "theirs");
            tracing::warn!(target: "hyper", "a warning of theirs");
        });
        assert!(text.contains("ours") && text.contains("a warning of theirs"), "{text}");
        assert!(!text.contains("\"theirs\""), "{text}");
    }

    #[test]
    fn no_filter_makes_a_library_write_below_info() {
        for filter in ["trace", "hyper=trace", "hyper::client=debug,trace", "anypoint_relay_imposter=trace"] {
            let text = logged(LogFormat::Json, filter, || {
                tracing::trace!(target: "hyper", "body");
                tracing::debug!(target: "hyper::client", "body");
                tracing::debug!(target: "anypoint_relay_imposter", "body");
            });
            assert_eq!(text, "", "with {filter}");
        }
        let text =
            logged(LogFormat::Json, "trace", || tracing::trace!(target: "anypoint_relay::sync", "ours"));
        assert!(text.contains("ours"));
    }

    #[test]
    fn a_bad_filter_is_an_error_that_names_it() {
        let log = Log { format: LogFormat::Json, filter: "anypoint_relay=loud".to_owned() };
        let error = subscriber(&log, Capture::default(), false).err().unwrap();
        assert!(error.to_string().contains("anypoint_relay=loud"), "{error}");
    }
}
