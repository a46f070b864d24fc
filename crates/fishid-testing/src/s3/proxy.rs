//! A proxy that carries requests to a server and their answers back, except where it is told to fail.
//!
//! Knows HTTP/1.1 with lengths, one request per connection; knows nothing of S3 but the form of its errors.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

/// What goes wrong with one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The server is not asked; the answer is this status with an S3 error of this code.
    Refuse(u16, &'static str),
    /// The connection is cut after so many bytes of the request's body.
    CutRequest(u64),
    /// One byte of the request's body is another.
    DamageRequest,
    /// The connection is cut after so many bytes of the answer's body.
    CutAnswer(u64),
    /// One byte of the answer's body is another.
    DamageAnswer,
    /// The server does what it was asked, and the answer is lost.
    LoseAnswer,
    /// The answer's body comes so many bytes at a time, with a pause after each.
    Slow(usize, Duration),
}

/// A request that came by.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `GET`, `PUT`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Seen {
    /// The value of a header; the name is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }
}

struct Shared {
    to: SocketAddr,
    decide: Box<dyn Fn(&Seen) -> Fault + Send + Sync>,
    seen: Mutex<Vec<Seen>>,
    stopping: AtomicBool,
}

/// The proxy, on a port of its own, until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Stands before `to`; `decide` says what goes wrong with each request.
    pub fn start(to: SocketAddr, decide: impl Fn(&Seen) -> Fault + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("the listener has an address");
        let shared = Arc::new(Shared {
            to,
            decide: Box::new(decide),
            seen: Mutex::default(),
            stopping: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        let listener = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if own.stopping.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&own);
                let Ok(stream) = stream else { continue };
                // A side that goes away in the middle is part of the tests.
                std::thread::spawn(move || drop(serve(&stream, &shared)));
            }
        });
        Self {
            address,
            shared,
            listener: Some(listener),
        }
    }

    /// Its URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.shared.seen.lock().expect("no test panics inside")
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Proxy({} → {})", self.address, self.shared.to)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(listener) = self.listener.take() {
            drop(listener.join());
        }
    }
}

/// First line and headers of a message.
struct Head {
    first: String,
    headers: Vec<(String, String)>,
}

impl Head {
    fn read(from: &mut impl io::BufRead) -> io::Result<Self> {
        let mut lines = from.lines();
        let first = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
        let mut headers = Vec::new();
        for line in lines {
            let line = line?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(Self { first, headers })
    }

    fn length(&self) -> u64 {
        let length = self
            .headers
            .iter()
            .find(|(name, _)| name == "content-length");
        length.map_or(0, |(_, value)| value.parse().unwrap_or(0))
    }

    /// The same message on a connection that ends with it.
    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut text = format!("{}\r\n", self.first);
        for (name, value) in self.headers.iter().filter(|(name, _)| name != "connection") {
            text += &format!("{name}: {value}\r\n");
        }
        text += "connection: close\r\n\r\n";
        to.write_all(text.as_bytes())
    }
}

fn serve(client: &TcpStream, shared: &Shared) -> io::Result<()> {
    let mut from_client = BufReader::new(client);
    let head = Head::read(&mut from_client)?;
    let mut words = head.first.split(' ').map(str::to_owned);
    let seen = Seen {
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        headers: head.headers.clone(),
    };
    let fault = (shared.decide)(&seen);
    let is_head = seen.method == "HEAD";
    shared
        .seen
        .lock()
        .expect("no test panics inside")
        .push(seen);
    let mut body = from_client.take(head.length());
    if let Fault::Refuse(status, code) = fault {
        // A client that still sends would take the end of the connection for a failure of its own.
        io::copy(&mut body, &mut io::sink())?;
        return refuse(client, status, code, is_head);
    }

    let server = TcpStream::connect(shared.to)?;
    head.write(&mut &server)?;
    match fault {
        Fault::CutRequest(n) => {
            io::copy(&mut body.take(n), &mut &server)?;
            return cut(client, &server);
        }
        Fault::DamageRequest => copy_damaged(&mut body, &mut &server)?,
        _ => {
            io::copy(&mut body, &mut &server)?;
        }
    }

    let mut from_server = BufReader::new(&server);
    let answer = Head::read(&mut from_server)?;
    if fault == Fault::LoseAnswer {
        io::copy(&mut from_server, &mut io::sink())?;
        return cut(client, &server);
    }
    answer.write(&mut &*client)?;
    match fault {
        Fault::CutAnswer(n) => {
            io::copy(&mut from_server.take(n), &mut &*client)?;
            return cut(client, &server);
        }
        Fault::DamageAnswer => copy_damaged(&mut from_server, &mut &*client)?,
        Fault::Slow(n, pause) => copy_slowly(&mut from_server, &mut &*client, n, pause)?,
        _ => {
            io::copy(&mut from_server, &mut &*client)?;
        }
    }
    client.shutdown(Shutdown::Write)
}

fn refuse(mut client: &TcpStream, status: u16, code: &str, is_head: bool) -> io::Result<()> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>Refused on purpose.</Message></Error>"
    );
    let head = format!(
        "HTTP/1.1 {status} Refused\r\ncontent-type: application/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes())?;
    if is_head {
        return Ok(());
    }
    client.write_all(body.as_bytes())
}

fn cut(client: &TcpStream, server: &TcpStream) -> io::Result<()> {
    server.shutdown(Shutdown::Both)?;
    client.shutdown(Shutdown::Both)
}

fn copy_damaged(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut first = [0];
    if from.read(&mut first)? == 1 {
        to.write_all(&[first[0] ^ 1])?;
    }
    io::copy(from, to).map(drop)
}

fn copy_slowly(
    from: &mut impl Read,
    to: &mut impl Write,
    n_bytes: usize,
    pause: Duration,
) -> io::Result<()> {
    let mut buffer = vec![0; n_bytes];
    loop {
        let n = from.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..n])?;
        std::thread::sleep(pause);
    }
}
