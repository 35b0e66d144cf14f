//! A connection that sends ready-made requests and reads the answers.
//!
//! It is less than an HTTP client, on purpose: the senders must cost less than any server here, or the fastest would
//! be held back by them. It knows answers with a Content-Length alone, and fails on any other.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const END_OF_HEAD: &[u8] = b"\r\n\r\n";
const LENGTH: &[u8] = b"content-length:";

/// A connection that is kept.
pub(crate) struct Connection {
    to: SocketAddr,
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self { to, stream, read: Vec::with_capacity(4096) })
    }

    /// Sends a request and gives the status of its answer. A connection that the server has closed between two
    /// requests is opened anew.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        match self.once(request).await {
            Err(error) if self.read.is_empty() && is_closed(&error) => {
                *self = Self::open(self.to).await?;
                self.once(request).await
            }
            other => other,
        }
    }

    async fn once(&mut self, request: &[u8]) -> io::Result<u16> {
        self.read.clear();
        self.stream.write_all(request).await?;
        loop {
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(head) = find(&self.read, END_OF_HEAD) {
                let length = length(&self.read[..head])?;
                while self.read.len() < head + END_OF_HEAD.len() + length {
                    if self.stream.read_buf(&mut self.read).await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                return status(&self.read);
            }
        }
    }

    /// The last answer, for messages about it.
    pub(crate) fn answer(&self) -> String {
        String::from_utf8_lossy(&self.read).into_owned()
    }
}

fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn length(head: &[u8]) -> io::Result<usize> {
    let place = head.windows(LENGTH.len()).position(|window| window.eq_ignore_ascii_case(LENGTH));
    let value = place.and_then(|place| head[place + LENGTH.len()..].split(|byte| *byte == b'\r').next());
    let number = value.and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok());
    number.ok_or_else(|| io::Error::other("an answer without a length"))
}

fn status(answer: &[u8]) -> io::Result<u16> {
    let digits = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    digits.ok_or_else(|| io::Error::other("an answer without a status"))
}
