//! Where the hub is, who asks, where files are kept, and how long to wait. Reads no environment
//! variable and no file: the caller does.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The public hub.
pub const DEFAULT_ADDRESS: &str = "https://huggingface.co";

/// What a [`crate::Hub`] is made of.
#[derive(Clone, Debug)]
pub struct HubSettings {
    /// Address of the hub or of a mirror that speaks its protocol, without a path behind it or with
    /// the path under which repositories lie.
    pub base_url: String,
    /// Sent to that address and to no other host.
    pub token: Option<Token>,
    /// Folder of the downloaded files.
    pub cache_dir: PathBuf,
    /// How long to wait for what.
    pub timing: Timing,
}

impl HubSettings {
    /// The public hub, nobody in particular asking.
    pub fn new(cache_dir: impl Into<PathBuf>) -> Self {
        Self {
            base_url: DEFAULT_ADDRESS.to_owned(),
            token: None,
            cache_dir: cache_dir.into(),
            timing: Timing::default(),
        }
    }
}

/// A hub's access token. Neither logged nor shown: its `Debug` hides it.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A token as the hub's page shows it; `None` when nothing is left after trimming.
    pub fn new(token: &str) -> Option<Self> {
        let token = token.trim();
        (!token.is_empty()).then(|| Self(token.to_owned()))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// How long a download waits, and how often it tries again.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// For a connection.
    pub connect_timeout: Duration,
    /// For the head of an answer, and then between two pieces of its body.
    pub read_timeout: Duration,
    /// Requests for the body, the first one included; each continues where the one before was cut.
    pub attempts: u32,
    /// Wait before the second attempt, doubled before each further one, with jitter.
    pub first_backoff: Duration,
    /// Longest wait between two attempts. A hub that asks for a longer one is taken at its word: the
    /// download ends, and the error says when to come back.
    pub longest_wait: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            attempts: 6,
            first_backoff: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
        }
    }
}
