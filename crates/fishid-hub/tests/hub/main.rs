//! Downloads against a hub that speaks the protocol and fails on purpose.
#![allow(clippy::unwrap_used)]

mod cache;
mod changes;
mod failures;
mod transfer;

use std::path::PathBuf;
use std::time::Duration;

use fishid_hub::{CachedFile, Hub, HubError, HubFile, HubSettings, Progress, Timing, Token};
use fishid_testing::hub::{FakeHub, Fault, Seen};

const REPOSITORY: &str = "timm/tiny.test_in1k";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const OTHER_COMMIT: &str = "89abcdef0123456789abcdef0123456789abcdef";
const FILE: &str = "model.safetensors";
const LENGTH: usize = 300_000;

/// A hub with one file, and an empty cache.
struct Case {
    server: FakeHub,
    cache: tempfile::TempDir,
    settings: HubSettings,
}

fn content() -> Vec<u8> {
    (0..LENGTH)
        .map(|i| (i * 31 % 251) as u8 ^ (i >> 8) as u8)
        .collect()
}

fn pinned() -> HubFile {
    HubFile::new(REPOSITORY, COMMIT, FILE)
}

impl Case {
    fn new() -> Self {
        let server = FakeHub::start(REPOSITORY, COMMIT, FILE, content());
        let cache = tempfile::tempdir().unwrap();
        let mut settings = HubSettings::new(cache.path());
        settings.base_url = server.url();
        settings.token = Token::new("hf_secret");
        settings.timing = Timing {
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(20),
            attempts: 5,
            first_backoff: Duration::from_millis(1),
            longest_wait: Duration::from_secs(2),
        };
        Self {
            server,
            cache,
            settings,
        }
    }

    fn hub(&self) -> Hub {
        Hub::new(self.settings.clone()).unwrap()
    }

    fn fetch(&self, file: &HubFile) -> Result<CachedFile, HubError> {
        self.hub().fetch(file, None, &mut |_| {})
    }

    /// Fetches, and returns what was reported on the way.
    fn fetch_watched(&self, file: &HubFile) -> (Result<CachedFile, HubError>, Vec<Progress>) {
        let mut seen = Vec::new();
        let result = self
            .hub()
            .fetch(file, None, &mut |progress| seen.push(progress));
        (result, seen)
    }

    /// Fetches what must fail, and returns the words.
    fn refusal(&self, file: &HubFile) -> String {
        let error = self.fetch(file).expect_err("the fetch must fail");
        let text = error.to_string();
        assert!(!text.contains("secret"), "a secret is shown: {text}");
        text
    }

    fn body_faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.server.script().body_faults.extend(faults);
    }

    fn hub_faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.server.script().hub_faults.extend(faults);
    }

    /// Requests for the bytes.
    fn downloads(&self) -> Vec<Seen> {
        let seen = self.server.seen().into_iter();
        seen.filter(|seen| !seen.at_hub).collect()
    }

    /// Where the requests for the bytes began.
    fn ranges(&self) -> Vec<Option<String>> {
        let downloads = self.downloads().into_iter();
        downloads
            .map(|seen| seen.request.headers.get("range").cloned())
            .collect()
    }

    fn folder(&self) -> PathBuf {
        self.cache.path().join("timm--tiny.test_in1k").join(COMMIT)
    }

    /// Names in the file's folder, the lock left out.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names
            .filter(|name| *name != format!("{FILE}.lock"))
            .collect();
        names.sort();
        names
    }
}

#[track_caller]
fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}
