//! Attacks of those who need no credential: connections that say nothing, or never come to an end.

use std::time::Duration;

use super::memory::file_handles;
use super::siege::Siege;

/// So many at once, which is twice what the listener serves.
const CLIENTS: usize = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a quiet machine"]
async fn headers_that_never_end_keep_no_sender_out() {
    let mut siege = Siege::new().await;
    siege
        .under("headers byte by byte", |ground| {
            ground.swarm(CLIENTS, Duration::from_secs(1), async |ground, number| {
                let mut attacker = ground.connect().await?;
                attacker.send(b"POST /hooks/sns HTTP/1.1\r\nhost: relay\r\nx: ").await?;
                // Half of them fill the buffer of their connection.
                if number % 2 == 0 {
                    attacker.send(&b"x".repeat(60 * 1024)).await?;
                }
                attacker.dribble(b"x").await
            })
        })
        .await;
    assert!(siege.ground.connections() >= CLIENTS as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a quiet machine"]
async fn bodies_that_never_end_keep_no_sender_out() {
    let signed = "webhook-id: a\r\nwebhook-timestamp: 1\r\nwebhook-signature: v1,x\r\n";
    let heads = ["sns", "trigger"].map(|hook| {
        ["content-length: 1000000", "transfer-encoding: chunked"]
            .map(|length| format!("POST /hooks/{hook} HTTP/1.1\r\nhost: relay\r\n{signed}{length}\r\n\r\n"))
    });
    let mut siege = Siege::new().await;
    siege
        .under("bodies byte by byte", |ground| {
            ground.swarm(CLIENTS, Duration::from_secs(1), move |ground, number| {
                let chunked = number % 2 == 1;
                let head = heads[number / 2 % 2][usize::from(chunked)].clone();
                async move {
                    let mut attacker = ground.connect().await?;
                    attacker.send(head.as_bytes()).await?;
                    let drop: &[u8] = if chunked { b"1\r\nx\r\n" } else { b"x" };
                    // A few send nearly all of it at once.
                    let at_once = if number % 16 < 2 { 900_000 } else { 20_000 };
                    attacker.send(&drop.repeat(at_once / drop.len())).await?;
                    attacker.dribble(drop).await
                }
            })
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a quiet machine"]
async fn ten_thousand_idle_connections_keep_no_sender_out() {
    const IDLE: usize = 10_000;
    let handles = file_handles(IDLE as u64 + 1_000);
    assert!(handles >= IDLE as u64 + 1_000, "{handles} file handles are too few: ulimit -n 12000");
    let mut siege = Siege::new().await;
    siege
        .under("ten thousand idle connections", |ground| {
            // Who is dropped comes again.
            ground
                .swarm(IDLE, Duration::from_secs(1), async |ground, _| ground.connect().await?.linger().await)
        })
        .await;
    assert!(siege.ground.connections() >= IDLE as u64, "{} connections", siege.ground.connections());
}
