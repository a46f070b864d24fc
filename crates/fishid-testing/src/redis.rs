//! A real Redis server for tests, which they stop, hold up, fill and start again.
//!
//! The program is `redis-server`, which `scripts/setup.sh test` installs; without it a test says why it is skipped.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = "redis-server";
/// How long a start may take on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);
/// Another program may take the port between finding and using it.
const N_STARTS: u32 = 5;

/// A running server; it ends, and its folder goes, when this is dropped.
#[derive(Debug)]
pub struct RedisServer {
    folder: tempfile::TempDir,
    port: u16,
    password: Option<String>,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts a server on a free port of the loopback; none, with the reason printed, where there is no program.
    pub fn start() -> Option<Self> {
        Self::start_with(None)
    }

    /// Starts a server that wants this password.
    pub fn with_password(password: &str) -> Option<Self> {
        Self::start_with(Some(password.to_owned()))
    }

    fn start_with(password: Option<String>) -> Option<Self> {
        program()?;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut server = Self {
            folder,
            port: 0,
            password,
            process: None,
        };
        for _ in 0..N_STARTS {
            server.port = free_port();
            if server.launch() {
                return Some(server);
            }
        }
        panic!("redis-server does not start: {}", server.log())
    }

    /// `redis://…` with the password, if it wants one.
    pub fn url(&self) -> String {
        match &self.password {
            Some(password) => format!("redis://:{password}@127.0.0.1:{}", self.port),
            None => format!("redis://127.0.0.1:{}", self.port),
        }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends the process as a crash would; nothing is kept.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it is our own process");
            process.wait().expect("it is our own process");
        }
    }

    /// Starts the process again on the same port, empty.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "the server runs");
        assert!(self.launch(), "redis-server starts again: {}", self.log());
    }

    /// It keeps its connections and answers nothing until [`Self::resume`].
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// From now on no write fits.
    pub fn fill(&self) {
        self.set_memory_limit("1");
    }

    /// There is room again.
    pub fn empty(&self) {
        self.set_memory_limit("0");
    }

    /// Names of all values.
    pub fn names(&self) -> Vec<String> {
        match self.ask(&["KEYS", "*"]) {
            Answer::List(names) => names.into_iter().map(Answer::text).collect(),
            other => panic!("KEYS answers {other:?}"),
        }
    }

    /// One value.
    pub fn value(&self, name: &str) -> Vec<u8> {
        match self.ask(&["GET", name]) {
            Answer::Bytes(bytes) => bytes,
            other => panic!("GET {name} answers {other:?}"),
        }
    }

    /// Sets one value.
    pub fn set(&self, name: &str, value: &[u8]) {
        self.ask(&[&b"SET"[..], name.as_bytes(), value]);
    }

    /// Sends one command over a connection of its own; an error in reply is a panic.
    pub fn ask<P: AsRef<[u8]>>(&self, command: &[P]) -> Answer {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("redis-server answers");
        let mut reader = BufReader::new(stream);
        if let Some(password) = &self.password {
            send(&mut reader, &["AUTH", password]);
        }
        send(&mut reader, command)
    }

    fn set_memory_limit(&self, bytes: &str) {
        self.ask(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
        self.ask(&["CONFIG", "SET", "maxmemory", bytes]);
    }

    fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("the server runs");
        let status = Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(process.id().to_string())
            .status();
        assert!(status.expect("kill is there").success());
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("redis.log")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn launch(&mut self) -> bool {
        let program = program().expect("it was there before");
        let log = File::create(self.log_file()).expect("the folder is ours");
        let mut command = Command::new(program);
        command
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--port", &self.port.to_string(), "--dir"])
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .stdout(log);
        if let Some(password) = &self.password {
            command.args(["--requirepass", password]);
        }
        let mut process = command.spawn().expect("the program is there");
        let started = Instant::now();
        while started.elapsed() < START_TIMEOUT {
            if process.try_wait().is_ok_and(|ended| ended.is_some()) {
                return false;
            }
            if self.log().contains("Ready to accept connections") {
                self.process = Some(process);
                return true;
            }
            std::thread::sleep(POLL);
        }
        process.kill().expect("it is our own process");
        process.wait().expect("it is our own process");
        false
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a server replies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A status or a number, as text.
    Line(String),
    /// A value.
    Bytes(Vec<u8>),
    /// No value.
    Nothing,
    /// Several.
    List(Vec<Answer>),
}

impl Answer {
    /// What it says, as text.
    pub fn text(self) -> String {
        match self {
            Self::Line(line) => line,
            Self::Bytes(bytes) => String::from_utf8(bytes).expect("it is text"),
            other => panic!("{other:?} is not text"),
        }
    }
}

fn send<P: AsRef<[u8]>>(stream: &mut BufReader<TcpStream>, command: &[P]) -> Answer {
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for part in command {
        let part = part.as_ref();
        bytes.extend(format!("${}\r\n", part.len()).into_bytes());
        bytes.extend(part);
        bytes.extend(b"\r\n");
    }
    stream.get_mut().write_all(&bytes).expect("it reads");
    receive(stream)
}

fn receive(stream: &mut BufReader<TcpStream>) -> Answer {
    let mut line = String::new();
    stream.read_line(&mut line).expect("it answers");
    let line = line.trim_end();
    let (kind, rest) = line.split_at_checked(1).expect("an answer has a kind");
    let length = || rest.parse::<i64>().expect("a length is a number");
    match kind {
        "+" | ":" => Answer::Line(rest.to_owned()),
        "$" => match usize::try_from(length()) {
            Ok(n_bytes) => {
                let mut bytes = vec![0; n_bytes + 2];
                stream.read_exact(&mut bytes).expect("the value is whole");
                bytes.truncate(n_bytes);
                Answer::Bytes(bytes)
            }
            Err(_) => Answer::Nothing,
        },
        "*" => Answer::List((0..length()).map(|_| receive(stream)).collect()),
        _ => panic!("redis-server answers {line}"),
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(PROGRAM))
        .find(|program| program.is_file());
    if found.is_none() {
        eprintln!("skipped: {PROGRAM} is not installed, scripts/setup.sh test does that");
    }
    found
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}
