//! Reads photographs and answers all of them with the same words: what no server can be faster than.
//!
//! `cargo run --release -p fishid-bench --bin bare_server PORT`. It looks at nothing but the length of a body, so what
//! the load generator reaches against it is the generator's own limit, with the system's share for the connections.

use anyhow::{Context, Result, bail};
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const BODY: &str = r#"{"predicted_class":"none","cached":true}"#;
const MAX_HEADERS: usize = 32;
const READ_BYTES: usize = 256 << 10;

#[tokio::main]
async fn main() -> Result<()> {
    let port: u16 = std::env::args().nth(1).context("PORT")?.parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        // A client that ends its connection is the only way in which this ends.
        tokio::spawn(answer(stream));
    }
}

async fn answer(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let reply = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    loop {
        let mut left = loop {
            if let Some((end, length)) = head(&buffer)? {
                buffer.advance(end);
                break length;
            }
            more(&mut stream, &mut buffer).await?;
        };
        loop {
            let taken = left.min(buffer.len());
            buffer.advance(taken);
            left -= taken;
            if left == 0 {
                break;
            }
            more(&mut stream, &mut buffer).await?;
        }
        stream.write_all(reply.as_bytes()).await?;
    }
}

async fn more(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<()> {
    if buffer.is_empty() {
        buffer.clear();
        buffer.reserve(READ_BYTES);
    }
    if stream.read_buf(buffer).await? == 0 {
        bail!("the client has gone");
    }
    Ok(())
}

/// Where the head ends and how long the body is, once it is all there.
fn head(bytes: &[u8]) -> Result<Option<(usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(end) = request.parse(bytes)? else {
        return Ok(None);
    };
    let header = request
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let Some(header) = header else {
        return Ok(Some((end, 0)));
    };
    let length = std::str::from_utf8(header.value)?.trim().parse()?;
    Ok(Some((end, length)))
}
