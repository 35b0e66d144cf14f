//! An HTTP proxy between the relay and the sandbox.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// It leads to the sandbox what it was told to, and refuses the rest.
pub(crate) struct Proxy {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

struct Shared {
    routes: BTreeMap<&'static str, SocketAddr>,
    state: Mutex<State>,
    hang_up: Notify,
}

#[derive(Default)]
struct State {
    asked: BTreeSet<String>,
    demanded: Option<String>,
    turned_away: usize,
}

impl Proxy {
    pub(crate) async fn start(routes: BTreeMap<&'static str, SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared { routes, state: Mutex::default(), hang_up: Notify::new() });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, Arc::clone(&serving)));
            }
        });
        Self { url, shared }
    }

    /// The places that were asked for.
    pub(crate) fn asked(&self) -> BTreeSet<String> {
        self.shared.state.lock().unwrap().asked.clone()
    }

    /// Turns away, from now on, whoever does not send this `Proxy-Authorization`, and ends what runs.
    pub(crate) fn demand(&self, authorization: &str) {
        self.shared.state.lock().unwrap().demanded = Some(authorization.to_owned());
        self.shared.hang_up.notify_waiters();
    }

    /// How many were turned away.
    pub(crate) fn turned_away(&self) -> usize {
        self.shared.state.lock().unwrap().turned_away
    }
}

async fn serve(client: TcpStream, shared: Arc<Shared>) {
    let mut client = BufReader::new(client);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if client.read_line(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let (method, place) = {
        let mut words = head.split(' ');
        (words.next().unwrap().to_owned(), words.next().unwrap().to_owned())
    };
    let hung_up = shared.hang_up.notified();
    let welcome = {
        let mut state = shared.state.lock().unwrap();
        state.asked.insert(place.clone());
        let sent = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("proxy-authorization").then_some(value)
        });
        let welcome = state.demanded.as_deref().is_none_or(|demanded| sent == Some(demanded));
        state.turned_away += usize::from(!welcome);
        welcome
    };
    let refusal = match shared.routes.get(place.as_str()) {
        _ if !welcome => "407 Proxy Authentication Required",
        Some(to) if method == "CONNECT" => {
            let mut server = TcpStream::connect(to).await.unwrap();
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            tokio::select! {
                () = hung_up => {}
                ended = copy_bidirectional(&mut client, &mut server) => drop(ended),
            }
            return;
        }
        _ => "502 Bad Gateway",
    };
    client.write_all(format!("HTTP/1.1 {refusal}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await.ok();
}
