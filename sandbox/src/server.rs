//! An HTTP/1.1 server on a loopback port of its own, plain or TLS, that can fail as real ones do.
//!
//! It has its own accept loop over hyper because the faults reach below HTTP: a reset connection, a
//! body shorter than announced. A handler runs to its end even when the client has gone, as a real
//! service's would: that is what makes a write land late. Everything ends when the server is dropped.

mod log;
mod wire;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt;

pub use self::log::{Recorded, RequestLog};
use self::wire::{Cut, ResetFlag, Wire};
use crate::faults::{Action, Faults, Seen, Verdict};
use crate::time;

/// Bodies above this are refused with 413.
const BODY_LIMIT: usize = 16 * 1024 * 1024;
/// What a truncated answer announces at least, so that one with an empty body is truncated as well.
const TRUNCATED_LENGTH: usize = 64;

/// A running server; it stops when it is dropped.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    scheme: &'static str,
    faults: Faults,
    log: RequestLog,
    _stop: DropGuard,
}

/// How a server is to be started.
pub struct Builder {
    router: Router,
    faults: Faults,
    tls: Option<ServerConfig>,
    tag: Tagger,
    log: RequestLog,
}

type Tagger = Arc<dyn Fn(&Parts, &Bytes) -> String + Send + Sync>;

impl Builder {
    /// The faults to apply; none by default.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Speak TLS.
    pub fn tls(mut self, config: ServerConfig) -> Self {
        self.tls = Some(config);
        self
    }

    /// How to call a request, in the log and for the rules of the faults.
    pub fn tag(mut self, tag: impl Fn(&Parts, &Bytes) -> String + Send + Sync + 'static) -> Self {
        self.tag = Arc::new(tag);
        self
    }

    /// Write to this log, e.g. one that several servers share.
    pub fn log(mut self, log: RequestLog) -> Self {
        self.log = log;
        self
    }

    /// Starts the server on a free port of 127.0.0.1.
    pub async fn start(self) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free loopback port");
        let addr = listener.local_addr().expect("a bound socket has an address");
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            router: self.router,
            faults: self.faults.clone(),
            tag: self.tag,
            log: self.log.clone(),
            stop: stop.clone(),
        });
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let tls = self.tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        tokio::spawn(accept(listener, tls, shared));
        Server { addr, scheme, faults: self.faults, log: self.log, _stop: stop.drop_guard() }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").finish_non_exhaustive()
    }
}

impl Server {
    /// A server for `router`, to be set up further.
    pub fn builder(router: Router) -> Builder {
        Builder {
            router,
            faults: Faults::none(),
            tls: None,
            tag: Arc::new(|_, _| String::new()),
            log: RequestLog::default(),
        }
    }

    /// Starts a plain HTTP server on a free port of 127.0.0.1.
    pub async fn start(router: Router, faults: Faults) -> Self {
        Self::builder(router).faults(faults).start().await
    }

    /// Starts an HTTPS server on a free port of 127.0.0.1.
    pub async fn start_tls(router: Router, faults: Faults, config: ServerConfig) -> Self {
        Self::builder(router).faults(faults).tls(config).start().await
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its base URL by address, without a slash at the end.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.addr)
    }

    /// Its faults.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What it was asked.
    pub fn log(&self) -> &RequestLog {
        &self.log
    }
}

struct Shared {
    router: Router,
    faults: Faults,
    tag: Tagger,
    log: RequestLog,
    stop: CancellationToken,
}

/// No answer: the connection is reset.
#[derive(Debug)]
struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is reset")
    }
}

impl std::error::Error for NoAnswer {}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let stop = shared.stop.clone();
    let stopped = stop.cancelled();
    tokio::pin!(stopped);
    loop {
        let accepted = tokio::select! {
            () = &mut stopped => return,
            accepted = listener.accept() => accepted,
        };
        // An accept fails when the peer has gone already, or for a while when descriptors run out.
        let Ok((stream, _)) = accepted else {
            tokio::task::yield_now().await;
            continue;
        };
        tokio::spawn(connection(stream, tls.clone(), Arc::clone(&shared)));
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let stop = shared.stop.clone();
    drop(stream.set_nodelay(true));
    let reset = ResetFlag::default();
    let wire = Wire::new(stream, reset.clone());
    let served = async {
        match tls {
            None => serve(wire, reset, shared).await,
            Some(acceptor) => {
                // A client that does not trust the certificate ends the handshake: its test sees that.
                if let Ok(stream) = acceptor.accept(wire).await {
                    serve(stream, reset, shared).await;
                }
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = served => {}
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, reset: ResetFlag, shared: Arc<Shared>) {
    let service = service_fn(move |request| answer(request, reset.clone(), Arc::clone(&shared)));
    let connection = hyper::server::conn::http1::Builder::new()
        .keep_alive(true)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service);
    // Its errors are the faults, and clients that went away.
    drop(connection.await);
}

async fn answer(
    request: Request<Incoming>,
    reset: ResetFlag,
    shared: Arc<Shared>,
) -> Result<Response<Body>, NoAnswer> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
        return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "the sandbox takes 16 MiB"));
    };
    let body = body.to_bytes();
    let tag = (shared.tag)(&parts, &body);
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let verdict = shared.faults.decide(&Seen {
        method: &parts.method,
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        host,
        tag: &tag,
        headers: &parts.headers,
        body: &body,
    });
    let seq = shared.log.arrived(Recorded {
        seq: 0,
        at: time::now(),
        method: parts.method.clone(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        tag,
        headers: parts.headers.clone(),
        body: body.clone(),
        status: None,
        fault: verdict.action.as_ref().map(Action::name),
    });
    // A task of its own: it goes on when hyper drops this future because the client has gone.
    let handling = tokio::spawn(async move {
        let answered = tokio::select! {
            () = shared.stop.cancelled() => Err(NoAnswer),
            answered = handle(shared.router.clone(), Request::from_parts(parts, body.into()), verdict) => answered,
        };
        shared.log.answered(seq, answered.as_ref().ok().map(Response::status));
        answered
    });
    let answered = handling.await.unwrap_or(Err(NoAnswer));
    if answered.is_err() {
        reset.raise();
    }
    answered
}

async fn handle(
    router: Router,
    request: Request<Body>,
    verdict: Verdict,
) -> Result<Response<Body>, NoAnswer> {
    if !verdict.latency.is_zero() {
        time::pause(verdict.latency).await;
    }
    let run = async || {
        let Ok(response) = router.oneshot(request).await;
        response
    };
    match verdict.action {
        None | Some(Action::Latency(_)) => Ok(run().await),
        Some(Action::Status { status, headers, body }) => {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok(response)
        }
        Some(Action::ResetBefore) => Err(NoAnswer),
        Some(Action::ResetAfter) => {
            run().await;
            Err(NoAnswer)
        }
        Some(Action::TruncateBody) => truncated(run().await).await,
        Some(Action::Hang(gate)) => {
            gate.pass().await;
            Ok(run().await)
        }
        Some(Action::HangAfter(gate)) => {
            let response = run().await;
            gate.pass().await;
            Ok(response)
        }
        Some(Action::SlowAnswer(by)) => {
            let response = run().await;
            time::pause(by).await;
            Ok(response)
        }
    }
}

async fn truncated(response: Response<Body>) -> Result<Response<Body>, NoAnswer> {
    let (mut parts, body) = response.into_parts();
    let whole = body.collect().await.map_err(|_| NoAnswer)?.to_bytes();
    let announced = whole.len().max(TRUNCATED_LENGTH);
    parts.headers.remove(TRANSFER_ENCODING);
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(announced));
    Ok(Response::from_parts(parts, Body::new(Cut::new(whole.slice(..whole.len() / 2)))))
}

pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

#[cfg(test)]
mod tests;
