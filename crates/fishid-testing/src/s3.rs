//! A real S3 server for tests (versitygw, over a temporary folder), and a proxy before it that fails on purpose.
//!
//! The server's binary is named by `FISHID_S3_SERVER`, or lies where `scripts/setup.sh test` puts it; without
//! it a test says why it is skipped.

mod proxy;

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub use proxy::{Fault, Proxy, Seen};

/// The key that the server knows.
pub const ACCESS_KEY: &str = "fishid-test";
/// Its secret.
pub const SECRET_KEY: &str = "fishid-test-secret";
/// The server's region.
pub const REGION: &str = "ru-central1";

/// How long a start may take on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);
/// Another program may take the port between finding and using it.
const N_STARTS: u32 = 5;

/// A running server; it ends, and its folder goes, when this is dropped.
#[derive(Debug)]
pub struct S3Server {
    binary: PathBuf,
    folder: tempfile::TempDir,
    address: SocketAddr,
    process: Option<Child>,
}

impl S3Server {
    /// Starts a server on a free port of the loopback; none, with the reason printed, where there is no binary.
    pub fn start() -> Option<Self> {
        let binary = binary()?;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        for part in ["data", "meta", "iam"] {
            fs::create_dir(folder.path().join(part)).expect("the folder is empty");
        }
        let (address, process) = (0..N_STARTS)
            .find_map(|_| {
                let address = free_address();
                launch(&binary, folder.path(), address).map(|process| (address, process))
            })
            .expect("the S3 server starts");
        Some(Self {
            binary,
            folder,
            address,
            process: Some(process),
        })
    }

    /// Starts a server with one bucket.
    pub fn with_bucket(bucket: &str) -> Option<Self> {
        let server = Self::start()?;
        server.create_bucket(bucket);
        Some(server)
    }

    /// Makes a bucket; it is there at once.
    pub fn create_bucket(&self, bucket: &str) {
        fs::create_dir(self.bucket(bucket)).expect("the bucket is new");
    }

    /// Makes a bucket that anybody may use without a signature.
    pub fn create_open_bucket(&self, bucket: &str) {
        self.create_bucket(bucket);
        let policy = serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow", "Principal": "*", "Action": "s3:*",
                "Resource": [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/*")],
            }],
        });
        let meta = self.folder.path().join("meta").join(bucket).join("meta");
        fs::create_dir_all(&meta).expect("the server's folder can be written");
        fs::write(meta.join("policy"), policy.to_string()).expect("the policy can be written");
    }

    /// The folder whose files are the bucket's objects.
    pub fn bucket(&self, bucket: &str) -> PathBuf {
        self.folder.path().join("data").join(bucket)
    }

    /// Uploads that were begun in a bucket and neither completed nor aborted, by object.
    pub fn unfinished_uploads(&self, bucket: &str) -> usize {
        let uploads = self.bucket(bucket).join(".sgwtmp/multipart");
        let Ok(objects) = fs::read_dir(uploads) else {
            return 0;
        };
        objects
            .flatten()
            .filter_map(|object| fs::read_dir(object.path()).ok())
            .map(|parts| parts.flatten().count())
            .sum()
    }

    /// Host and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The variables that lead to the server.
    pub fn settings(&self) -> BTreeMap<String, String> {
        settings(&self.url())
    }

    /// Ends the process; the objects stay.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it is our own process");
            process.wait().expect("it is our own process");
        }
    }

    /// Starts the process again on the same port.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "the server runs");
        let process = launch(&self.binary, self.folder.path(), self.address);
        self.process = Some(process.expect("the S3 server starts again"));
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The variables that lead to a server, or to a proxy before it, with the right key.
pub fn settings(url: &str) -> BTreeMap<String, String> {
    [
        ("AWS_ENDPOINT_URL", url),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("AWS_REGION", REGION),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn binary() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let named = set("FISHID_S3_SERVER").map(PathBuf::from);
    let cache = set("FISHID_CACHE").map(PathBuf::from).or_else(|| {
        let cache = set("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| set("HOME").map(|home| Path::new(&home).join(".cache")));
        cache.map(|cache| cache.join("fishid"))
    });
    let binary = named.or_else(|| cache.map(|cache| cache.join("tools/bin/versitygw")));
    let binary = binary.filter(|binary| binary.is_file());
    if binary.is_none() {
        eprintln!(
            "skipped: there is no S3 server; run scripts/setup.sh test, or set FISHID_S3_SERVER"
        );
    }
    binary
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("the listener has an address")
}

/// Starts the process and waits until it accepts connections; none when it ends before.
fn launch(binary: &Path, folder: &Path, address: SocketAddr) -> Option<Child> {
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .expect("the folder can be written");
    let errors = log.try_clone().expect("a file can be opened twice");
    let mut process = Command::new(binary)
        .arg("--port")
        .arg(address.to_string())
        .args(["--quiet", "--keep-alive", "--iam-dir"])
        .arg(folder.join("iam"))
        .args(["posix", "--sidecar"])
        .arg(folder.join("meta"))
        .arg(folder.join("data"))
        .env("ROOT_ACCESS_KEY_ID", ACCESS_KEY)
        .env("ROOT_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("VGW_REGION", REGION)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .expect("the S3 server's binary runs");
    let began = Instant::now();
    while began.elapsed() < START_TIMEOUT {
        if process.try_wait().expect("it is our own process").is_some() {
            return None;
        }
        if TcpStream::connect(address).is_ok() {
            return Some(process);
        }
        std::thread::sleep(POLL);
    }
    process.kill().expect("it is our own process");
    process.wait().expect("it is our own process");
    None
}
