//! The page in a real browser. The tests need Chromium and ChromeDriver, so they are run on their own:
//! `cargo test --test it -- --ignored dashboard`. Their pictures are in `target/tmp/dashboard`.

use anypoint_sandbox::anypoint::NONE;
use anypoint_sandbox::wait_until;
use serde_json::{Value, json};

use crate::support::{Bench, Browser, ENTER, ESCAPE, LIMIT, ORDERS_SECRET, ORDERS_TARGET};

const SCOPE: &str = "manage:application_settings";
const OPERATOR: &str = "operator-token-0123456789abcdef";
const READER: &str = "reader-token-0123456789abcdef";
const ROW: &str = "[data-target=orders-api]";

/// A browser that shows the page of a relay, on a desktop.
async fn opened(bench: &Bench) -> Browser {
    let browser = Browser::start().await;
    browser.size(1280, 900).await;
    browser.open(&format!("{}/", bench.admin())).await;
    browser
}

/// What no page of ours may do, whatever else was shown on it.
async fn was_well_behaved(browser: &Browser, bench: &Bench) {
    assert_eq!(browser.complaints().await, [""; 0]);
    let asked =
        browser.run("return performance.getEntriesByType('resource').map((entry) => entry.name)").await;
    let asked: Vec<String> = serde_json::from_value(asked).unwrap();
    assert!(!asked.is_empty());
    assert!(asked.iter().all(|url| url.starts_with(bench.admin())), "{asked:?}");
    // Nothing sticks out, and nothing that can be used is without a name or too small to be hit.
    let wide = browser.run("return document.documentElement.scrollWidth - innerWidth").await;
    assert!(wide.as_i64().unwrap() <= 0, "{wide} px too wide");
    let nameless = browser.run(
        "return [...document.querySelectorAll('button, input, select')]
           .filter((element) => element.checkVisibility())
           .filter((element) => !(element.innerText || element.labels?.[0]?.textContent)
             || element.getBoundingClientRect().height < 24)
           .map((element) => element.outerHTML)",
    );
    assert_eq!(nameless.await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn a_rotation_is_seen_as_it_happens() {
    let bench = Bench::orders().await;
    bench.tell_by_eventbridge();
    let browser = opened(&bench).await;
    browser.shows("#live", "live").await;
    browser.shows("#headline", "Every value has arrived").await;
    browser.shows(ROW, "in sync").await;
    // Held between the write and its proof.
    bench.anypoint.app("orders-api").roll_by_hand();
    bench.orders_db().rotate_password("second-password");
    browser.shows("#headline", "1 target is behind AWS").await;
    browser.shows(ROW, "behind for").await;
    browser.shows("#notices", "eventbridge").await;
    bench.anypoint.app("orders-api").finish_roll();
    browser.shows("#headline", "Every value has arrived").await;
    browser.click(ROW).await;
    for step in ["notified", "read", "written", "confirmed"] {
        browser.shows("#timeline", step).await;
    }
    let steps = browser.run("return document.querySelectorAll('#timeline li.done time').length").await;
    assert_eq!(steps, 4);
    browser.shows("#versions", "prod/orders/db").await;
    browser.shows("#history", "wrote in").await;
    was_well_behaved(&browser, &bench).await;
    browser.picture("in-sync").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn what_is_parked_says_why_and_is_tried_again_by_a_button() {
    let mut bench = Bench::orders_stopped().await;
    for (name, secret) in
        [("billing", "prod/billing/db"), ("invoices", "prod/invoices/db"), ("crm-sync", "prod/crm/db")]
    {
        bench.aws.create_secret(secret, ORDERS_SECRET);
        bench.anypoint.deploy(name, NONE, [("db.user", "a"), ("db.password", "none yet")]);
    }
    let others = ["billing", "invoices", "crm-sync"].map(|name| {
        let secret = format!("prod/{}/db", name.trim_end_matches("-sync"));
        ORDERS_TARGET.replace("orders-api", name).replace("prod/orders/db", &secret)
    });
    bench.start(&format!("{ORDERS_TARGET}{}", others.concat())).await;
    for target in ["orders-api", "billing", "invoices", "crm-sync"] {
        bench.in_sync(target).await;
    }
    bench.tell_by_eventbridge();
    bench.anypoint.grant(SCOPE, false);
    bench.orders_db().rotate_password("second-password");
    let browser = opened(&bench).await;
    browser.shows("#headline", "1 target needs a person").await;
    // The worst comes first.
    let first = browser.run("return document.querySelector('#fleet button').dataset.target").await;
    assert_eq!(first, "orders-api");
    browser.click(ROW).await;
    browser.shows("#why", "denied").await;
    browser.shows("#why", SCOPE).await;
    browser.picture("parked").await;
    browser.size(390, 844).await;
    browser.shows("#why", "What to do").await;
    was_well_behaved(&browser, &bench).await;
    browser.picture("parked-phone").await;
    browser.click("#close").await;
    browser.shows("#subline", "has been behind for").await;
    was_well_behaved(&browser, &bench).await;
    browser.picture("fleet-phone").await;
    browser.size(1280, 900).await;
    browser.prefers("dark").await;
    browser.click(ROW).await;
    browser.picture("parked-dark").await;

    bench.anypoint.grant(SCOPE, true);
    // Without a reason the browser itself does not send it.
    browser.click("#act button[value=retry]").await;
    assert_eq!(browser.text("#acted").await, "");
    browser.types("#reason", "the scope is back").await;
    browser.click("#act button[value=retry]").await;
    browser.shows("#acted", "It is tried now.").await;
    browser.shows("#headline", "Every value has arrived").await;
    assert_eq!(bench.running("orders-api", "db.password"), ["second-password"]);
    was_well_behaved(&browser, &bench).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn a_pause_and_its_end_are_two_buttons() {
    let bench = Bench::orders().await;
    let browser = opened(&bench).await;
    browser.shows(ROW, "in sync").await;
    browser.click(ROW).await;
    browser.types("#reason", "change freeze").await;
    browser.click("#pause").await;
    browser.shows("#acted", "It is paused. A restart of the relay ends that.").await;
    browser.shows(ROW, "paused: change freeze").await;
    assert_eq!(bench.ask("/targets/orders-api").await.body["target"]["paused"]["reason"], "change freeze");
    browser.types("#reason", "it is over").await;
    browser.click("#resume").await;
    browser.shows(ROW, "in sync").await;
    was_well_behaved(&browser, &bench).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn a_token_is_asked_for_refused_and_accepted_and_a_reader_may_not_act() {
    let mut bench = Bench::orders_stopped().await;
    bench.environment_with("READER", READER);
    bench.environment_with("OPERATOR", OPERATOR);
    let with = "admin: { listen: 127.0.0.1:0, token: { env: READER }, operator_token: { env: OPERATOR } }";
    let file = bench.file(ORDERS_TARGET).replace("admin: { listen: 127.0.0.1:0 }", with);
    bench.start_with(&file).await;
    bench.in_sync("orders-api").await;
    let browser = opened(&bench).await;
    let enter = async |token: &str| {
        browser.shows("#login", "asks for a token").await;
        browser.types("#token", token).await;
        browser.types("#token", ENTER).await;
    };
    enter("not a token").await;
    browser.shows("#refused", "does not prove who sent it").await;
    browser.picture("token").await;
    // A browser tells the console of every refusal; this page expects them.
    browser.complaints().await;
    enter(READER).await;
    browser.shows(ROW, "in sync").await;
    browser.click(ROW).await;
    browser.types("#reason", "a reader").await;
    browser.click("#act button[value=retry]").await;
    browser.shows("#acted", "operator").await;
    let log = browser.complaints().await;
    assert!(log.iter().all(|line| line.contains("403")), "{log:?}");
    // It is kept nowhere.
    let kept = browser
        .run("return JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])")
        .await;
    assert_eq!(kept, json!("[{},{},\"\"]"));
    browser.open(&format!("{}/", bench.admin())).await;
    browser.shows("#login", "asks for a token").await;
    browser.complaints().await;
    enter(OPERATOR).await;
    browser.shows(ROW, "in sync").await;
    browser.click(ROW).await;
    browser.types("#reason", "an operator").await;
    browser.click("#act button[value=sync]").await;
    browser.shows("#acted", "It is looked at now.").await;
    was_well_behaved(&browser, &bench).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn it_is_used_without_a_mouse_and_found_again_by_its_address() {
    let bench = Bench::orders().await;
    let browser = opened(&bench).await;
    browser.shows(ROW, "in sync").await;
    let focus = async || {
        browser.run("return document.activeElement.id || document.activeElement.dataset.target").await
    };
    browser.run("document.querySelector('[data-target=orders-api]').focus()").await;
    browser.types(ROW, ENTER).await;
    browser.shows("#detail-title", "orders-api").await;
    assert_eq!(focus().await, "detail-title");
    assert_eq!(browser.run("return location.hash").await, "#orders-api");
    browser.types("#reason", ESCAPE).await;
    browser.shows("#detail", "").await;
    assert_eq!(focus().await, "orders-api");
    browser.open(&format!("{}/#orders-api", bench.admin())).await;
    browser.run("location.reload()").await;
    browser.shows("#detail-title", "orders-api").await;
    browser.types("#filter", "nobody").await;
    browser.shows("#none", "No target fits.").await;
    was_well_behaved(&browser, &bench).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn it_says_so_when_the_relay_is_gone_and_goes_on_when_it_is_back() {
    let mut bench = Bench::orders_stopped().await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = bench.file(ORDERS_TARGET);
    let file =
        file.replace("admin: { listen: 127.0.0.1:0 }", &format!("admin: {{ listen: 127.0.0.1:{port} }}"));
    bench.start_with(&file).await;
    bench.in_sync("orders-api").await;
    let browser = opened(&bench).await;
    browser.shows("#live", "live").await;
    bench.stop().await.unwrap();
    browser.shows("#live", "no relay answers").await;
    bench.start_with(&file).await;
    browser.shows("#live", "live").await;
    browser.shows(ROW, "in sync").await;
    let log = browser.complaints().await;
    assert!(log.iter().all(|line| line.contains("ERR_")), "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn a_name_that_looks_like_code_is_shown_as_text() {
    let bench = Bench::orders().await;
    let reason = "<img src=x onerror=alert(1)>";
    let wish: Value = json!({ "reason": reason });
    let url = format!("{}/targets/orders-api/pause", bench.admin());
    assert_eq!(crate::support::client().post(url).json(&wish).send().await.unwrap().status(), 200);
    let browser = opened(&bench).await;
    browser.shows(ROW, reason).await;
    assert_eq!(browser.run("return document.querySelectorAll('img').length").await, 0);
    was_well_behaved(&browser, &bench).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and ChromeDriver"]
async fn no_browser_outlives_its_test() {
    let browser = Browser::start().await;
    let profile = browser.profile().display().to_string();
    let processes = || {
        let all = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
        all.filter(|line| String::from_utf8_lossy(line).contains(&profile)).count()
    };
    assert_ne!(processes(), 0);
    drop(browser);
    wait_until("its processes are gone", LIMIT, || processes() == 0).await;
}
