//! A model hub that speaks the protocol of Hugging Face for one file, and fails where it is told to:
//! the hub's own answers on one address, the storage it redirects to on another host.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use sha2::{Digest as _, Sha256};

use crate::http::{Ending, Reply, Request, Server};

/// What to do wrong, once.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Cut the connection after so many bytes of the body.
    Cut(usize),
    /// Send so many bytes of the body and then nothing.
    Stall(usize),
    /// Send as many bytes, but others.
    WrongBytes,
    /// Send the first so many bytes as if they were the whole file.
    Short(usize),
    /// Answer with a status and headers instead.
    Status(u16, Vec<(&'static str, String)>),
}

/// Where the hub has the file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On another host, to which it redirects.
    Storage,
    /// Behind a relative redirect on the hub, as after a repository was renamed, and then on another host.
    Renamed,
    /// On the hub itself.
    Hub,
}

/// What the hub serves and says, and what it does wrong. A test changes it between requests.
#[derive(Clone, Debug)]
pub struct Script {
    /// The file's bytes.
    pub content: Vec<u8>,
    /// The commit it declares; `None` declares none.
    pub commit: Option<String>,
    /// The digest it declares, unquoted; `None` declares none.
    pub digest: Option<String>,
    /// The length it declares; `None` declares none.
    pub size: Option<usize>,
    /// Where the bytes are.
    pub place: Place,
    /// Whether ranges are answered with ranges, or with the whole file.
    pub ranges: bool,
    /// Wrong answers of the hub, one per request.
    pub hub_faults: VecDeque<Fault>,
    /// Wrong answers to requests for the bytes, one per request.
    pub body_faults: VecDeque<Fault>,
}

/// A request and who got it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Whether it came to the hub and not to the storage.
    pub at_hub: bool,
    /// The request.
    pub request: Request,
}

#[derive(Debug)]
struct State {
    path: String,
    script: Mutex<Script>,
    seen: Mutex<Vec<Seen>>,
}

/// A hub with one file, until it is dropped.
#[derive(Debug)]
pub struct FakeHub {
    state: Arc<State>,
    hub: Server,
    _storage: Server,
}

/// Path of the file in the storage; its query is a signature, which nobody may show.
const STORED: &str = "/stored?signature=secret";

impl FakeHub {
    /// Serves `content` as `file` of `repository`, at whatever revision is asked for; declares
    /// `commit`.
    pub fn start(repository: &str, commit: &str, file: &str, content: Vec<u8>) -> Self {
        let script = Script {
            commit: Some(commit.to_owned()),
            digest: Some(sha256(&content)),
            size: Some(content.len()),
            place: Place::Storage,
            ranges: true,
            hub_faults: VecDeque::new(),
            body_faults: VecDeque::new(),
            content,
        };
        let state = Arc::new(State {
            path: format!("/{repository}/resolve/|/{file}"),
            script: Mutex::new(script),
            seen: Mutex::default(),
        });
        let stored = Arc::clone(&state);
        let storage = Server::start("127.0.0.2", move |request| {
            stored.see(false, request);
            stored.script().body(request)
        });
        let asked = Arc::clone(&state);
        let redirect = format!("{}{STORED}", storage.url());
        let hub = Server::start("127.0.0.1", move |request| {
            asked.see(true, request);
            asked.answer(request, &redirect)
        });
        Self {
            state,
            hub,
            _storage: storage,
        }
    }

    /// The hub's address.
    pub fn url(&self) -> String {
        self.hub.url()
    }

    /// What is served and said from now on.
    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.state.script()
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().expect("no handler panicked").clone()
    }
}

impl State {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no handler panicked")
    }

    fn see(&self, at_hub: bool, request: &Request) {
        let request = request.clone();
        let mut seen = self.seen.lock().expect("no handler panicked");
        seen.push(Seen { at_hub, request });
    }

    fn answer(&self, request: &Request, storage: &str) -> Reply {
        let mut script = self.script();
        if let Some(Fault::Status(status, headers)) = script.hub_faults.pop_front() {
            return with_headers(Reply::new(status, ""), &headers);
        }
        let renamed = request.path.strip_prefix("/renamed");
        let path = renamed.unwrap_or(&request.path);
        let (before, after) = self.path.split_once('|').expect("the path has a revision");
        if !path.starts_with(before) || !path.ends_with(after) {
            return Reply::new(404, "").header("x-error-code", "EntryNotFound");
        }
        if script.place == Place::Renamed && renamed.is_none() {
            return Reply::new(307, "").header("location", format!("/renamed{path}"));
        }
        let mut reply = if script.place == Place::Hub {
            script.body(request)
        } else {
            Reply::new(302, "").header("location", storage)
        };
        if let Some(commit) = &script.commit {
            reply = reply.header("X-Repo-Commit", commit);
        }
        if let Some(digest) = &script.digest {
            reply = reply.header("X-Linked-Etag", format!("\"{digest}\""));
        }
        if let Some(size) = script.size {
            reply = reply.header("X-Linked-Size", size.to_string());
        }
        reply
    }
}

impl Script {
    /// The answer to a request for the bytes.
    fn body(&mut self, request: &Request) -> Reply {
        let fault = if request.method == "HEAD" {
            None
        } else {
            self.body_faults.pop_front()
        };
        let etag = format!("\"{}\"", &sha256(&self.content)[..8]);
        let mut content = self.content.clone();
        match &fault {
            Some(Fault::Status(status, headers)) => {
                return with_headers(Reply::new(*status, ""), headers);
            }
            Some(Fault::WrongBytes) => content.iter_mut().for_each(|byte| *byte ^= 1),
            Some(Fault::Short(n)) => content.truncate(*n),
            _ => {}
        }
        let total = content.len();
        let same = request
            .headers
            .get("if-range")
            .is_none_or(|tag| *tag == etag);
        let first = request.headers.get("range");
        let first = first.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
        let first = first.and_then(|first| first.parse::<usize>().ok());
        let mut reply = match first.filter(|_| self.ranges && same) {
            Some(first) if first >= total => Reply::new(416, ""),
            Some(first) => Reply::new(206, &content[first..]).header(
                "content-range",
                format!("bytes {first}-{}/{total}", total - 1),
            ),
            None => Reply::new(200, content),
        };
        reply.ending = match fault {
            Some(Fault::Cut(n)) => Ending::Cut(n.min(reply.body.len())),
            Some(Fault::Stall(n)) => Ending::Stall(n.min(reply.body.len())),
            _ => Ending::Whole,
        };
        reply.header("etag", etag)
    }
}

fn with_headers(reply: Reply, headers: &[(&'static str, String)]) -> Reply {
    headers
        .iter()
        .fold(reply, |reply, (name, value)| reply.header(name, value))
}

/// SHA-256 in lower-case hex.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
