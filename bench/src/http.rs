//! A client that does as little as a client can: one connection, one request at a time, the reply checked.
//!
//! Not `reqwest` or `hyper`: what the generator spends is taken from the server on the same cores.

use std::io::ErrorKind;

use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf, BytesMut};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::payload::Payload;

const MAX_HEADERS: usize = 64;

/// A connection kept open between requests.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
    /// The server has said that it will close it.
    ends: bool,
}

/// Status and body.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The code, such as 200.
    pub status: u16,
    /// All of it.
    pub body: BytesMut,
}

/// What is read of an answer.
#[derive(Debug, Deserialize)]
struct Answer {
    predicted_class: String,
    #[serde(default)]
    cached: Option<bool>,
}

impl Connection {
    /// Opens one.
    pub async fn open(host: &str) -> Result<Self> {
        let stream = TcpStream::connect(host)
            .await
            .with_context(|| format!("cannot connect to {host}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: BytesMut::with_capacity(16 << 10),
            ends: false,
        })
    }

    /// Whether another request may be sent on it: neither has the last reply announced its end, nor has the server
    /// closed it since, as servers do with those that lie idle.
    pub fn is_open(&self) -> bool {
        let said_meanwhile = self.stream.try_read(&mut [0]);
        let is_silent = said_meanwhile.is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        !self.ends && is_silent
    }

    /// Sends a request and reads the reply. After an error the connection is of no use any more.
    pub async fn ask(&mut self, payload: &Payload) -> Result<Reply> {
        let mut pieces = payload
            .head
            .clone()
            .chain(payload.photograph.clone())
            .chain(payload.tail.clone());
        self.stream
            .write_all_buf(&mut pieces)
            .await
            .context("sending")?;
        let (status, length) = loop {
            if let Some(head) = self.head()? {
                break head;
            }
            self.more().await?;
        };
        while self.buffer.len() < length {
            self.more().await?;
        }
        let body = self.buffer.split_to(length);
        Ok(Reply { status, body })
    }

    async fn more(&mut self) -> Result<()> {
        let n = self
            .stream
            .read_buf(&mut self.buffer)
            .await
            .context("receiving")?;
        ensure!(n > 0, "the server closed the connection");
        Ok(())
    }

    /// Status and length of the body, once the head is there; it is taken out of the buffer.
    fn head(&mut self) -> Result<Option<(u16, usize)>> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(end) = response.parse(&self.buffer)? else {
            return Ok(None);
        };
        let status = response.code.context("a reply without status")?;
        let mut length = None;
        for header in response.headers.iter() {
            if header.name.eq_ignore_ascii_case("content-length") {
                length = Some(std::str::from_utf8(header.value)?.trim().parse()?);
            } else if header.name.eq_ignore_ascii_case("connection") {
                self.ends = header.value.eq_ignore_ascii_case(b"close");
            }
        }
        self.buffer.advance(end);
        let length = length.context("a reply without Content-Length")?;
        Ok(Some((status, length)))
    }
}

impl Reply {
    /// Whether it names a class, and came out of the cache as it should.
    pub fn check(&self, expect_cached: bool) -> Result<()> {
        if self.status != 200 {
            bail!("status {}", self.status);
        }
        let answer: Answer =
            serde_json::from_slice(&self.body).context("no answer in the reply")?;
        ensure!(!answer.predicted_class.is_empty(), "the class has no name");
        let cached = answer.cached.unwrap_or(false);
        ensure!(
            cached == expect_cached,
            if cached {
                "an answer out of the cache where none was asked for"
            } else {
                "an answer that is not out of the cache"
            }
        );
        Ok(())
    }
}
