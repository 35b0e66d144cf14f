//! Every check of an SNS envelope, each for itself.

use super::{Check, Inspection, NotificationKind, Report};
use crate::events;
use crate::model::TopicArn;
use crate::verify::sns::{
    Certificate, CertificateFacts, CertificateUrl, Field, Kind, SignatureVersion, SnsRefusal, Unverified,
    Window, canonical, check_subscribe_url, check_topic, check_version, check_window,
};

/// The detail of a check that cannot be made because something before it is missing.
fn impossible(without: &str) -> String {
    format!("not possible without {without}")
}

pub(super) fn inspect(body: &[u8], inspection: &Inspection<'_>) -> Report {
    let fields = match Unverified::read(body) {
        Ok(fields) => fields,
        Err(refusal) => {
            let mut report = Report::new(NotificationKind::Sns, None);
            report.checks.push(Check::failed("json", refusal.to_string()));
            let rest = ["type", "fields", "topic", "signature_version", "time_window", "certificate_url"];
            report.checks.extend(rest.map(|check| Check::failed(check, impossible("one JSON object"))));
            let (checks, _) = certificate(inspection, None);
            report.checks.extend(checks);
            report.checks.push(Check::failed("signature", impossible("one JSON object")));
            return report;
        }
    };
    let kind = fields.kind().ok();
    let topic = fields.topic().ok();
    let mut report = Report::new(NotificationKind::Sns, kind.map(Kind::as_str));
    let (certificate_checks, key) = certificate(inspection, topic.as_ref());
    report.checks = vec![
        Check::passed("json", "one object, no key twice".to_owned()),
        check("type", fields.kind().map(|kind| kind.as_str().to_owned())),
        forms(&fields, kind),
        listed(topic.as_ref(), inspection),
        version(&fields, inspection),
        window(&fields, inspection),
        certificate_url(&fields, topic.as_ref(), inspection),
    ];
    report.checks.extend(kind.and_then(|kind| subscribe_url(&fields, kind, topic.as_ref())));
    report.checks.extend(certificate_checks);
    report.checks.push(signature(&fields, kind, key.as_ref()));
    if kind == Some(Kind::Notification)
        && let Ok(message) = fields.required(Field::Message)
    {
        report.conclude(events::parse(message.as_bytes()), inspection.index);
    } else {
        report.conclude(Ok(Vec::new()), None);
    }
    report
}

fn check(name: &'static str, result: Result<String, SnsRefusal>) -> Check {
    match result {
        Ok(detail) => Check::passed(name, detail),
        Err(refusal) => Check::failed(name, refusal.to_string()),
    }
}

/// All of the fields' forms in one check, with every fault named.
fn forms(fields: &Unverified<'_>, kind: Option<Kind>) -> Check {
    let mut found = vec![
        fields.required(Field::Message).err(),
        fields.message_id().err(),
        fields.topic().err(),
        fields.sent().err(),
        fields.certificate_url().err(),
        fields.version().err(),
        fields.signature().err(),
    ];
    if let Some(kind) = kind {
        found.extend([
            fields.subject(kind).err(),
            fields.token(kind).err(),
            fields.subscribe_url(kind).err(),
        ]);
    }
    let faults: Vec<String> = found.into_iter().flatten().map(|refusal| refusal.to_string()).collect();
    if faults.is_empty() {
        Check::passed("fields", "every field has the form that SNS gives it".to_owned())
    } else {
        Check::failed("fields", faults.join("; "))
    }
}

fn listed(topic: Option<&TopicArn>, inspection: &Inspection<'_>) -> Check {
    let name = "topic";
    match (topic, inspection.rules) {
        (None, _) => Check::failed(name, impossible("a topic")),
        (Some(topic), None) => Check::passed(name, format!("not done, no configuration given: {topic}")),
        (Some(topic), Some(rules)) => {
            check(name, check_topic(topic, rules.topics).map(|()| format!("{topic} is listed")))
        }
    }
}

fn version(fields: &Unverified<'_>, inspection: &Inspection<'_>) -> Check {
    let require_2 = inspection.rules.is_some_and(|rules| rules.require_version_2);
    let result = fields.version().and_then(|version| {
        check_version(version, require_2)?;
        Ok(match version {
            SignatureVersion::One => "1 (SHA-1)".to_owned(),
            SignatureVersion::Two => "2 (SHA-256)".to_owned(),
        })
    });
    check("signature_version", result)
}

fn window(fields: &Unverified<'_>, inspection: &Inspection<'_>) -> Check {
    let window = inspection.rules.map_or_else(Window::default, |rules| rules.window);
    let result = fields.sent().and_then(|sent| {
        check_window(sent, window, inspection.at)?;
        Ok(format!("sent {sent}, looked at as of {}", inspection.at))
    });
    check("time_window", result)
}

fn certificate_url(fields: &Unverified<'_>, topic: Option<&TopicArn>, inspection: &Inspection<'_>) -> Check {
    let name = "certificate_url";
    let Some(topic) = topic else { return Check::failed(name, impossible("a topic")) };
    let prefix = inspection.rules.and_then(|rules| rules.certificate_path);
    let url = fields.certificate_url().and_then(|url| CertificateUrl::parse(url, topic, prefix));
    check(name, url.map(|url| url.to_string()))
}

/// None for a notification, which has no such address.
fn subscribe_url(fields: &Unverified<'_>, kind: Kind, topic: Option<&TopicArn>) -> Option<Check> {
    let name = "subscribe_url";
    if kind == Kind::Notification {
        return None;
    }
    Some(match (fields.subscribe_url(kind), fields.token(kind), topic) {
        (Ok(Some(url)), Ok(Some(token)), Some(topic)) => {
            let same = "the one that region, topic and token give".to_owned();
            check(name, check_subscribe_url(url, topic, token).map(|()| same))
        }
        _ => Check::failed(name, impossible("a topic, a token and the address")),
    })
}

/// The four checks of the certificate, and the certificate where it can be used.
fn certificate(inspection: &Inspection<'_>, topic: Option<&TopicArn>) -> ([Check; 4], Option<Certificate>) {
    const NAMES: [&str; 4] =
        ["certificate_file", "certificate_key", "certificate_validity", "certificate_name"];
    let Some(pem) = inspection.certificate else {
        let detail = "no certificate given; save the file that SigningCertURL names and pass it";
        return (NAMES.map(|name| Check::failed(name, detail.to_owned())), None);
    };
    let facts = match CertificateFacts::read(pem) {
        Ok(facts) => facts,
        Err(refusal) => {
            let mut checks = NAMES.map(|name| Check::failed(name, impossible("a certificate")));
            checks[0].detail = refusal.to_string();
            return (checks, None);
        }
    };
    let (from, to) = facts.validity();
    let names = facts.names().iter().map(|name| name.escape_debug().to_string()).collect::<Vec<_>>();
    let certificate = facts.clone().into_certificate();
    let checks = [
        Check::passed(NAMES[0], "one PEM certificate".to_owned()),
        check(NAMES[1], certificate.as_ref().map(|_| "RSA of 2048 bits or more".to_owned()).map_err(|e| *e)),
        check(NAMES[2], facts.check_validity(inspection.at).map(|()| format!("{from} to {to}"))),
        match topic {
            Some(topic) => check(NAMES[3], facts.check_name(topic).map(|()| names.join(", "))),
            None => Check::failed(NAMES[3], impossible("a topic")),
        },
    ];
    (checks, certificate.ok())
}

fn signature(fields: &Unverified<'_>, kind: Option<Kind>, key: Option<&Certificate>) -> Check {
    let name = "signature";
    let Some(key) = key else { return Check::failed(name, impossible("a usable certificate")) };
    let Some(kind) = kind else { return Check::failed(name, impossible("a known type")) };
    let result = canonical(kind, fields).and_then(|text| {
        key.check_signature(fields.version()?, &text, &fields.signature()?)?;
        Ok("made by the certificate's key over the signed fields".to_owned())
    });
    check(name, result)
}
