//! Readers for single values: durations, sizes, numbers, choices, addresses, names.
//!
//! Each takes its bounds from the setting and says, when it refuses, what would be right.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use url::{Host, Url};

use super::decode::{Value, did_you_mean};
use crate::model::{self, EventRule, TopicArn, hands_out_credentials};

/// A duration between two bounds, both allowed.
pub(super) fn duration(min: Duration, max: Duration) -> impl Fn(&Value<'_>) -> Option<Duration> {
    move |value| {
        let what = "a duration such as 500ms, 30s, 5m or 1h15m";
        let Some(duration) = model::parse_duration(value.text(what)?) else { return value.expected(what) };
        if (min..=max).contains(&duration) {
            return Some(duration);
        }
        let (min, max) = (model::show_duration(min), model::show_duration(max));
        value.expected(&format!("a duration between {min} and {max}"))
    }
}

/// A duration on the command line, written as in the file.
pub fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    model::parse_duration(text).ok_or("a duration reads 500ms, 30s, 5m or 1h15m")
}

/// A number of bytes between two bounds, both allowed.
pub(super) fn size(range: RangeInclusive<usize>) -> impl Fn(&Value<'_>) -> Option<usize> {
    move |value| {
        let what = "a size such as 65536, 512KiB or 1MiB";
        let Some(size) = parse_size(value.text(what)?) else { return value.expected(what) };
        if range.contains(&size) {
            return Some(size);
        }
        let (min, max) = (show_size(*range.start()), show_size(*range.end()));
        value.expected(&format!("a size between {min} and {max}"))
    }
}

fn parse_size(text: &str) -> Option<usize> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let scale = match unit {
        "" | "B" => 1,
        "KiB" => 1024,
        "MiB" => 1024 * 1024,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(scale)
}

fn show_size(size: usize) -> String {
    if size.is_multiple_of(1024 * 1024) {
        format!("{}MiB", size / 1024 / 1024)
    } else if size.is_multiple_of(1024) {
        format!("{}KiB", size / 1024)
    } else {
        size.to_string()
    }
}

/// A whole number between two bounds, both allowed.
pub(super) fn whole<T>(range: RangeInclusive<T>) -> impl Fn(&Value<'_>) -> Option<T>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    move |value| {
        let what = format!("a whole number between {} and {}", range.start(), range.end());
        match value.text(&what)?.parse() {
            Ok(number) if range.contains(&number) => Some(number),
            _ => value.expected(&what),
        }
    }
}

/// `true` or `false`; YAML's other spellings are not taken, so none is mistaken.
pub(super) fn flag(value: &Value<'_>) -> Option<bool> {
    match value.text("true or false")? {
        "true" => Some(true),
        "false" => Some(false),
        _ => value.expected("true or false"),
    }
}

/// One of a closed set of words. `noun` completes `"x" is not ...`.
pub(super) fn choice<T: Copy>(noun: &str, choices: &[(&str, T)]) -> impl Fn(&Value<'_>) -> Option<T> {
    move |value| {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let listed = words.join(", ");
        let text = value.text(&format!("{noun} ({listed})"))?;
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(*choice);
        }
        value.refuse(format!("{} is not {noun}{} ({listed})", value.found(), did_you_mean(text, &words)))
    }
}

/// A text of one line, 1 to 1,024 characters. `what` completes "expected ...".
pub(super) fn line(what: &str) -> impl Fn(&Value<'_>) -> Option<String> {
    move |value| {
        let text = value.text(what)?;
        let fits = !text.trim().is_empty() && text.chars().count() <= 1024;
        if fits && !text.chars().any(char::is_control) {
            return Some(text.to_owned());
        }
        value.expected(what)
    }
}

/// A user name of HTTP Basic. RFC 7617, section 2: the first colon ends it.
pub(super) fn basic_user_name(value: &Value<'_>) -> Option<String> {
    let name = line("a user name")(value)?;
    if name.contains(':') { value.refuse("a user name of HTTP Basic has no colon") } else { Some(name) }
}

/// Address and port to listen on or connect to.
pub(super) fn address(value: &Value<'_>) -> Option<SocketAddr> {
    let what = "an IP address and a port such as 0.0.0.0:8080";
    match value.text(what)?.parse() {
        Ok(address) => Some(address),
        Err(_) => value.expected(what),
    }
}

/// The ARN of an SNS topic.
pub(super) fn topic(value: &Value<'_>) -> Option<TopicArn> {
    let what = "the ARN of an SNS topic (arn:<partition>:sns:<region>:<account>:<name>)";
    match TopicArn::parse(value.text(what)?) {
        Ok(topic) => Some(topic),
        Err(_) => value.expected(what),
    }
}

/// The name or ARN of an EventBridge rule.
pub(super) fn rule(value: &Value<'_>) -> Option<EventRule> {
    let what =
        "the name of an EventBridge rule, or its ARN (arn:<partition>:events:<region>:<account>:rule/<name>)";
    match EventRule::parse(value.text(what)?) {
        Ok(rule) => Some(rule),
        Err(_) => value.expected(what),
    }
}

/// A path in the file system.
pub(super) fn path(value: &Value<'_>) -> Option<PathBuf> {
    line("the path of a file")(value).map(PathBuf::from)
}

/// The shape of a region, such as `eu-west-1` or `us-gov-east-1`; which ones exist is AWS's matter.
pub(super) fn region(value: &Value<'_>) -> Option<String> {
    let what = "an AWS region such as eu-west-1";
    let text = value.text(what)?;
    let mut parts = text.split('-').rev();
    let number =
        parts.next().is_some_and(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    let words: Vec<&str> = parts.collect();
    let fits = number
        && (2..=4).contains(&words.len())
        && words.iter().all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()));
    if fits { Some(text.to_owned()) } else { value.expected(what) }
}

/// Twelve digits.
pub(super) fn account(value: &Value<'_>) -> Option<String> {
    let what = "an AWS account id of twelve digits";
    let text = value.text(what)?;
    if is_account(text) { Some(text.to_owned()) } else { value.expected(what) }
}

/// `arn:<partition>:iam::<account>:role/<path and name>`
pub(super) fn role(value: &Value<'_>) -> Option<String> {
    let what = "the ARN of a role such as arn:aws:iam::123456789012:role/relay-reader";
    let text = value.text(what)?;
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let fits = matches!(parts[..], ["arn", partition, "iam", "", account, resource]
    if partition.starts_with("aws")
        && is_account(account)
        && resource.len() <= 577
        && resource.strip_prefix("role/").is_some_and(|name| {
            !name.is_empty()
                && !name.ends_with('/')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "/_+=,.@-".contains(c))
        }));
    if fits { Some(text.to_owned()) } else { value.expected(what) }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// An id in the form that Anypoint uses. `what` completes "expected ...".
pub(super) fn uuid(what: &str) -> impl Fn(&Value<'_>) -> Option<String> {
    move |value| {
        let text = value.text(what)?;
        if is_uuid(text) { Some(text.to_owned()) } else { value.expected(what) }
    }
}

/// Five groups of hexadecimal digits.
pub(super) fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// An `https` URL, or an `http` one of this machine. No message quotes it: a query may hold a token.
pub(super) fn url(value: &Value<'_>) -> Option<Url> {
    let url = url_of_any_scheme(value)?;
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => Some(url),
        ("http", Some(host)) if is_loopback(&host) => Some(url),
        ("http", Some(_)) => {
            value.refuse("use https; plain http is for this machine only (127.0.0.1, ::1, localhost)")
        }
        _ => value.refuse(format!("expected {URL}; only https is spoken, and http to this machine")),
    }
}

const URL: &str = "a URL such as https://relay.example.com/refresh";

/// A URL, over whatever, that holds no credential and leads to none.
pub(super) fn url_of_any_scheme(value: &Value<'_>) -> Option<Url> {
    let text = value.text(URL)?;
    let Ok(url) = Url::parse(text) else {
        return value
            .refuse(format!("expected {URL}; this is not one (not quoted here: it may hold a token)"));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return value
            .refuse("a URL holds no user name and no password here; credentials are given by reference");
    }
    if url.fragment().is_some() {
        return value.refuse("a URL to call has no `#` part; leave it out");
    }
    let address = url.host().and_then(|host| match host {
        Host::Ipv4(address) => Some(IpAddr::from(address)),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    });
    if let Some(address) = address.filter(|address| hands_out_credentials(*address)) {
        return value
            .refuse(format!("{address} is where a platform hands out credentials; nothing may call it"));
    }
    Some(url)
}

/// Whether a URL that was taken leads to this machine.
pub(super) fn is_on_this_machine(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.host().is_some_and(|host| is_loopback(&host)))
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(ip) => IpAddr::V4(*ip).is_loopback(),
        Host::Ipv6(ip) => IpAddr::V6(*ip).is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_size_reads_back() {
        for size in [1000, 1024, 1024 * 1024, 3 * 1024 * 512] {
            assert_eq!(parse_size(&show_size(size)), Some(size));
        }
    }

    #[test]
    fn sizes_are_binary() {
        assert_eq!(parse_size("512KiB"), Some(512 * 1024));
        for text in
            ["", "1MB", "1kib", "KiB", "-1", "1.5MiB", "99999999999999999999", "18446744073709551615KiB"]
        {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn uuids_have_their_five_groups() {
        assert!(is_uuid("0a1B2c3d-0000-4000-8000-00000000000f"));
        for text in [
            "",
            "0a1b2c3d00004000800000000000000f",
            "0a1b2c3g-0000-4000-8000-00000000000f",
            "{0a1b2c3d-0000-4000-8000-00000000000f}",
        ] {
            assert!(!is_uuid(text), "{text}");
        }
    }
}
