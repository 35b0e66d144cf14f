//! How a connection is spoken with: over TLS or in plain, HTTP/1.1 or HTTP/2.
//!
//! Guarantees: a header takes at most [`BUFFER`] bytes and [`HEADERS`] fields; an HTTP/2 connection has at
//! most [`STREAMS`] requests at once and [`WINDOW`] bytes of bodies that nobody has read. HTTP/2 is spoken
//! with those that agree on it in the TLS handshake (ALPN); in plain it is HTTP/1.1 alone.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::Response;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::{http1, http2};
use hyper::service::HttpService;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutWriter;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use super::activity::Busy;

/// A header may take about this much memory, and a body is read in pieces of about this size. Load
/// balancers allow 16 to 64 KiB of header.
const BUFFER: usize = 64 * 1024;
/// Fields of a header; load balancers add about ten to a sender's.
const HEADERS: usize = 100;
/// Requests at once over one HTTP/2 connection; what load balancers use it for.
const STREAMS: u32 = 64;
/// What one HTTP/2 connection may send ahead of those who read it, all requests together.
const WINDOW: u32 = 128 * 1024;

/// A connection whose writes have a time limit.
pub(super) type Timed = Pin<Box<TimeoutWriter<TcpStream>>>;
/// What bytes are read from and written to.
type Wire = TokioIo<Either<Timed, Box<TlsStream<Timed>>>>;

/// Puts the limit around a connection.
pub(super) fn timed(stream: TcpStream, stalled: Duration) -> Timed {
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(stalled));
    Box::pin(stream)
}

/// A connection that is being served.
pub(super) trait Conversation: Future<Output = hyper::Result<()>> + Send {
    /// It ends when what is under way is answered, at once if nothing is.
    fn farewell(self: Pin<&mut Self>);
}

/// What answers the requests of a connection.
pub(super) trait Answers:
    HttpService<Incoming, ResBody = Guarded, Error: Error + Send + Sync, Future: Send + 'static> + Send + 'static
{
}

impl<S> Answers for S where
    S: HttpService<Incoming, ResBody = Guarded, Error: Error + Send + Sync, Future: Send + 'static>
        + Send
        + 'static
{
}

impl<S: Answers> Conversation for http1::Connection<Wire, S> {
    fn farewell(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S: Answers> Conversation for http2::Connection<Wire, S, TokioExecutor> {
    fn farewell(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Begins to speak HTTP/1.1 over what is not encrypted.
pub(super) fn plain(stream: Timed, service: impl Answers) -> Pin<Box<dyn Conversation>> {
    Box::pin(version_1(TokioIo::new(Either::Left(stream)), service))
}

/// Begins to speak what was agreed on in the handshake.
pub(super) fn encrypted(stream: TlsStream<Timed>, service: impl Answers) -> Pin<Box<dyn Conversation>> {
    let agreed_on_2 = stream.get_ref().1.alpn_protocol() == Some(crate::http::tls::HTTP_2);
    let wire = TokioIo::new(Either::Right(Box::new(stream)));
    if !agreed_on_2 {
        return Box::pin(version_1(wire, service));
    }
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(BUFFER).unwrap_or(u32::MAX))
        .initial_stream_window_size(WINDOW / 2)
        .initial_connection_window_size(WINDOW)
        .max_send_buf_size(BUFFER);
    Box::pin(builder.serve_connection(wire, service))
}

fn version_1<S: Answers>(wire: Wire, service: S) -> http1::Connection<Wire, S> {
    http1::Builder::new().max_buf_size(BUFFER).max_headers(HEADERS).serve_connection(wire, service)
}

/// The body of an answer. Until it is sent or given up, its connection is busy.
pub(super) struct Guarded {
    body: Body,
    _busy: Busy,
}

/// An answer that keeps its connection busy.
pub(super) fn guarded(answer: Response<Body>, busy: Busy) -> Response<Guarded> {
    answer.map(|body| Guarded { body, _busy: busy })
}

impl hyper::body::Body for Guarded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
