//! `traces`.

use anypoint_relay::config::parse;

use crate::assert_printed;

#[test]
fn a_collector_is_named_by_its_url_alone() {
    for (endpoint, printed) in [
        ("collector:4318", "expected the URL of a collector such as http://127.0.0.1:4318"),
        ("ftp://collector", "expected the URL of a collector such as http://127.0.0.1:4318"),
        (
            "https://me:secret@collector",
            "a URL holds no user name and no password here; credentials are given by reference",
        ),
        ("https://collector/?key=1", "the endpoint of a collector has no `?` part; leave it out"),
        ("http://collector:4318/v1/traces/", "leave `/v1/traces` out; it is put after the endpoint"),
        (
            "http://169.254.169.254/",
            "169.254.169.254 is where a platform hands out credentials; nothing may call it",
        ),
    ] {
        assert_printed(
            &format!("traces: {{ endpoint: \"{endpoint}\" }}\n"),
            &format!("relay.yaml:1:21: traces.endpoint: {printed}"),
        );
    }
    assert_printed(
        "traces: {}\n",
        "relay.yaml:1:1: traces: `endpoint` is missing: the collector, such as http://127.0.0.1:4318",
    );
}

#[test]
fn what_is_sent_has_a_name_a_part_and_headers_by_reference() {
    let endpoint = "endpoint: https://c";
    for (setting, printed) in [
        ("sample_ratio: 2", r#"46: traces.sample_ratio: expected a number between 0 and 1, found "2""#),
        ("sample_ratio: NaN", r#"46: traces.sample_ratio: expected a number between 0 and 1, found "NaN""#),
        (
            "headers: { content-type: { env: A } }",
            "43: traces.headers.content-type: the relay sets this header itself; leave it out",
        ),
        (
            "headers: { x-key: \"${KEY}\" }",
            "50: traces.headers.x-key: a credential is given by reference; write { env: KEY }",
        ),
    ] {
        assert_printed(&format!("traces: {{ {endpoint}, {setting} }}\n"), &format!("relay.yaml:1:{printed}"));
    }
}

#[test]
fn a_header_that_goes_over_plain_http_is_warned_of() {
    let warnings = |endpoint: &str, headers: &str| {
        let text = format!("{{ traces: {{ endpoint: \"{endpoint}\"{headers} }}, targets: {{}} }}");
        let config = parse(&text, "relay.yaml", &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
        config.warnings.iter().filter(|warning| warning.contains("unencrypted")).count()
    };
    let headers = ", headers: { authorization: { env: KEY } }";
    assert_eq!(warnings("http://collector:4318", headers), 1);
    assert_eq!(warnings("http://collector:4318", ""), 0);
    assert_eq!(warnings("https://collector:4318", headers), 0);
    assert_eq!(warnings("http://127.0.0.1:4318", headers), 0);
}
