//! The endpoint that `http` targets are pointed at.

use super::*;
use anypoint_sandbox::anypoint::Receiver;

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
