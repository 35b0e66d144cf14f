//! Which addresses are called. That it is the address of each connection that counts is shown with
//! answers of DNS made by hand, in `tests/anypoint_client/reach.rs`.

use super::*;

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_called_only_where_it_is_named() {
    let receiver = Receiver::start().await;
    let by_name = |allow: &str| {
        let file = target(&receiver, VALUES);
        file.replace("url: http://127.0.0.1", "url: http://localhost").replace("[127.0.0.1]", allow)
    };
    for (allow, named) in [("[10.0.0.0/8, example.com]", false), ("[localhost]", true)] {
        let mut bench = with_secrets().await;
        bench.start(&by_name(allow)).await;
        if named {
            bench.ended_as(TARGET, "accepted").await;
            assert_eq!(verified(&receiver.received()[0])["values"]["password"], "first-password");
            continue;
        }
        let failure = bench.parks("denied").await;
        let address = if failure.message.contains("::1") { "::1" } else { "127.0.0.1" };
        assert_eq!(
            failure.message,
            format!(
                "calling localhost for target orders: {address} is a loopback address, and `allow` does not name it"
            )
        );
        assert_eq!(
            failure.next_step,
            format!(
                "if it is meant, name localhost or {address} under `allow`; else correct `url`, or what DNS says of it"
            )
        );
        assert_eq!(receiver.received().len(), 0);
    }
}
