//! The endpoint that `http` targets are pointed at.

use super::*;
use anypoint_sandbox::anypoint::Receiver;
use anypoint_sandbox::pki::Authority;

#[tokio::test]
async fn it_remembers_headers_and_bodies_and_answers_as_told() {
    let receiver = Receiver::start().await;
    receiver.answer_next(503, "busy");
    receiver.answer(202, "");
    let send = || http().post(format!("{}/refresh", receiver.url())).header("webhook-id", "msg_1").body("{}");
    assert_eq!(answer(send()).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer(send()).await.status, StatusCode::ACCEPTED);
    let seen = receiver.wait_for(2, LIMIT).await;
    assert_eq!(seen[0].path, "/refresh");
    assert_eq!(seen[0].headers["webhook-id"], "msg_1");
    assert_eq!(seen[1].body.as_ref(), b"{}");
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn it_speaks_tls_to_who_trusts_its_authority_and_takes_any_method() {
    let authority = Authority::new();
    let receiver = Receiver::start_tls(authority.server_config(&["127.0.0.1"])).await;
    assert_eq!(receiver.url(), format!("https://{}", receiver.addr()));
    let root = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    let trusting = reqwest::Client::builder().tls_certs_only([root]).no_proxy().build().unwrap();
    for method in [Method::PUT, Method::GET] {
        let asked = trusting.request(method, format!("{}/refresh", receiver.url()));
        assert_eq!(answer(asked).await.status, StatusCode::NO_CONTENT);
    }
    assert!(http().get(receiver.url()).send().await.is_err(), "an authority that nobody trusts");
    let methods: Vec<String> = receiver.received().iter().map(|request| request.method.to_string()).collect();
    assert_eq!(methods, ["PUT", "GET"]);
}
