//! An HTTP endpoint that takes whatever a relay sends to it and remembers it: a Mule flow that
//! refreshes its connections, or a facade. It verifies nothing; tests do.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use rustls::ServerConfig;

use crate::faults::Faults;
use crate::server::{self, Recorded, RequestLog, Server};

/// What to answer.
#[derive(Debug)]
struct Answers {
    next: VecDeque<(StatusCode, String)>,
    usual: (StatusCode, String),
}

/// A receiver on a port of its own. It stops when it is dropped.
#[derive(Debug)]
pub struct Receiver {
    server: Server,
    answers: Arc<Mutex<Answers>>,
}

impl Receiver {
    /// Starts one that answers 204.
    pub async fn start() -> Self {
        Self::start_on(|builder| builder).await
    }

    /// As [`Receiver::start`], and speaks TLS.
    pub async fn start_tls(config: ServerConfig) -> Self {
        Self::start_on(|builder| builder.tls(config)).await
    }

    async fn start_on(listen: impl FnOnce(server::Builder) -> server::Builder) -> Self {
        let usual = (StatusCode::NO_CONTENT, String::new());
        let answers = Arc::new(Mutex::new(Answers { next: VecDeque::new(), usual }));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&answers));
        Self { server: listen(Server::builder(router)).start().await, answers }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// Its URL, without a slash at the end; any path and method will do.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Its faults.
    pub fn faults(&self) -> &Faults {
        self.server.faults()
    }

    /// Its log, bodies and headers included.
    pub fn log(&self) -> &RequestLog {
        self.server.log()
    }

    /// Everything that came, oldest first.
    pub fn received(&self) -> Vec<Recorded> {
        self.server.log().all()
    }

    /// Waits until `count` requests have come, and gives them.
    ///
    /// # Panics
    /// After `limit`.
    pub async fn wait_for(&self, count: usize, limit: Duration) -> Vec<Recorded> {
        self.server.log().wait_for("requests at the receiver", limit, count, |_| true).await
    }

    /// Answers so from now on.
    ///
    /// # Panics
    /// If `status` is no HTTP status code.
    pub fn answer(&self, status: u16, body: &str) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).usual = reply(status, body);
    }

    /// Answers the next request without an answer of its own so.
    ///
    /// # Panics
    /// If `status` is no HTTP status code.
    pub fn answer_next(&self, status: u16, body: &str) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).next.push_back(reply(status, body));
    }
}

fn reply(status: u16, body: &str) -> (StatusCode, String) {
    (StatusCode::from_u16(status).expect("a status code"), body.to_owned())
}

async fn answer(State(answers): State<Arc<Mutex<Answers>>>) -> Response {
    let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
    answers.next.pop_front().unwrap_or_else(|| answers.usual.clone()).into_response()
}
