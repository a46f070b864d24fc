//! What the code under test logs, as the lines of JSON that a server writes.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::Value;
use tracing::subscriber::{DefaultGuard, set_global_default};
use tracing::{Level, Subscriber};

/// Lines logged so far.
#[derive(Debug, Clone, Default)]
pub struct Logs(Arc<Mutex<Vec<u8>>>);

impl Logs {
    /// Of the whole process, whose tests share them: what threads of the code under test log is among them.
    pub fn of_this_process() -> &'static Self {
        static LOGS: OnceLock<Logs> = OnceLock::new();
        LOGS.get_or_init(|| {
            let logs = Self::default();
            set_global_default(logs.subscriber()).expect("nobody else catches the logs");
            logs
        })
    }

    /// Of this thread alone, until the guard is dropped.
    pub fn of_this_thread() -> (Self, DefaultGuard) {
        let logs = Self::default();
        let guard = tracing::subscriber::set_default(logs.subscriber());
        (logs, guard)
    }

    fn subscriber(&self) -> impl Subscriber + Send + Sync + use<> {
        let logs = self.clone();
        tracing_subscriber::fmt()
            .with_max_level(Level::DEBUG)
            .json()
            .flatten_event(true)
            .with_writer(move || logs.clone())
            .finish()
    }

    /// The lines in which this text stands.
    pub fn lines_with(&self, text: &str) -> Vec<Value> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        lines
            .map(|line| String::from_utf8_lossy(line))
            .filter(|line| line.ends_with('\n') && line.contains(text))
            .map(|line| serde_json::from_str(&line).expect("a line of the log is JSON"))
            .collect()
    }
}

impl io::Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The field `id` of the request's span that a line was logged in.
pub fn request_id(line: &Value) -> Option<&str> {
    let mut spans = line["spans"].as_array()?.iter();
    spans.find_map(|span| span["id"].as_str())
}
