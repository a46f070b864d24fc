//! A real `MLflow` server for tests: `SQLite`, a folder of artifacts passed through by the server, a port of its
//! own. It ends with the test process, however that ends.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The server, with its children, is ended when the shell's standard input closes: that happens when the
/// test process is gone, also by a kill.
const KEEPER: &str = r#"
"$@" >"$FISHID_TEST_FOLDER/server.log" 2>&1 &
cat >/dev/null
trap '' TERM
kill -TERM -- -$$
for _ in 1 2 3 4 5 6 7 8 9 10; do
  kill -0 $! 2>/dev/null || break
  sleep 0.5
done
rm -rf "$FISHID_TEST_FOLDER"
kill -KILL -- -$$
"#;

/// It is up after about 12 s on a quiet machine.
const STARTED_WITHIN: Duration = Duration::from_mins(3);

/// A running server.
#[derive(Debug)]
pub struct MlflowServer {
    url: String,
    folder: PathBuf,
    _keeper: Child,
}

/// The server that all tests of one binary share, started by the first that asks. `None`, with the reason
/// printed, where `FISHID_STACK_PYTHON` names no Python with `MLflow`.
pub fn require_mlflow() -> Option<&'static MlflowServer> {
    static SERVER: OnceLock<Option<MlflowServer>> = OnceLock::new();
    let server = SERVER.get_or_init(|| Some(MlflowServer::start(&require_stack_python()?, &[])));
    if server.is_none() {
        eprintln!("skipped: FISHID_STACK_PYTHON is not set");
    }
    server.as_ref()
}

/// The Python of `stack/requirements.txt`, from `FISHID_STACK_PYTHON`.
pub fn require_stack_python() -> Option<PathBuf> {
    let python = std::env::var_os("FISHID_STACK_PYTHON").filter(|value| !value.is_empty());
    if python.is_none() {
        eprintln!("skipped: FISHID_STACK_PYTHON is not set");
    }
    python.map(PathBuf::from)
}

impl MlflowServer {
    /// Starts a server of its own by this Python, with more arguments, and waits until it answers.
    pub fn start(python: &std::path::Path, arguments: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        drop(listener);
        let name = format!("fishid-mlflow-{}-{port}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder for the server");
        let mut command = Command::new("bash");
        command
            .args(["-c", KEEPER, "keeper"])
            .arg(python)
            .args(["-m", "mlflow", "server", "--host", "127.0.0.1", "--port"])
            .arg(port.to_string())
            .args(["--workers", "1", "--backend-store-uri"])
            .arg(format!("sqlite:///{}/tracking.db", folder.display()))
            .arg("--artifacts-destination")
            .arg(folder.join("artifacts"))
            .args(arguments)
            .env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .env("DO_NOT_TRACK", "true")
            .env_remove("MLFLOW_TRACKING_URI")
            .env_remove("MLFLOW_REGISTRY_URI")
            .env("FISHID_TEST_FOLDER", &folder)
            .current_dir(&folder)
            .stdin(Stdio::piped());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let keeper = command.spawn().expect("bash is there");
        let server = Self {
            url: format!("http://127.0.0.1:{port}"),
            folder,
            _keeper: keeper,
        };
        let start = Instant::now();
        while !is_healthy(port) {
            let log = || std::fs::read_to_string(server.folder.join("server.log"));
            assert!(
                start.elapsed() < STARTED_WITHIN,
                "MLflow does not start: {:?}",
                log()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        server
    }

    /// Its address, `http://127.0.0.1:port`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its address as a registry.
    pub fn registry_url(&self) -> String {
        format!("mlflow+{}", self.url)
    }

    /// The folder of its artifacts, to be damaged by a test.
    pub fn artifacts(&self) -> PathBuf {
        self.folder.join("artifacts")
    }
}

fn is_healthy(port: u16) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    // Older servers answer in the version they were asked in.
    ask().is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
}
