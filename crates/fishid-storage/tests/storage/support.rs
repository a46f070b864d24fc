//! What the tests of S3 have in common: a server, a proxy before it, a storage through the proxy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use fishid_storage::Storage;
use fishid_testing::s3::{Fault, Proxy, S3Server, Seen, settings};

/// A server with the bucket `fish`, and a proxy before it.
pub struct Setting {
    pub server: S3Server,
    pub proxy: Proxy,
    pub folder: tempfile::TempDir,
}

impl Setting {
    /// None where there is no server; the reason is printed.
    pub fn start(decide: impl Fn(&Seen) -> Fault + Send + Sync + 'static) -> Option<Self> {
        let server = S3Server::with_bucket("fish")?;
        let proxy = Proxy::start(server.address(), decide);
        Some(Self {
            server,
            proxy,
            folder: tempfile::tempdir().unwrap(),
        })
    }

    /// The bucket through the proxy.
    pub fn through(&self) -> Storage {
        open("s3://fish/rivers", &settings(&self.proxy.url()))
    }

    /// The bucket with nothing in between.
    pub fn direct(&self) -> Storage {
        open("s3://fish/rivers", &self.server.settings())
    }

    /// A new file of so many bytes, no two alike.
    pub fn file(&self, n_bytes: usize) -> PathBuf {
        write(&self.folder.path().join("source"), &content(n_bytes, 0))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn names_in_folder(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

pub fn open(location: &str, settings: &BTreeMap<String, String>) -> Storage {
    Storage::open(location, settings).unwrap()
}

pub fn write(path: &Path, content: &[u8]) -> PathBuf {
    std::fs::write(path, content).unwrap();
    path.to_owned()
}

/// Bytes that no two parts have alike, by a linear congruence.
pub fn content(n_bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    (0..n_bytes)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}

/// Gives `fault` to the first `n` requests that `matching` picks.
pub fn first(
    n: usize,
    fault: Fault,
    matching: impl Fn(&Seen) -> bool + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Fault + Send + Sync + 'static {
    let left = AtomicUsize::new(n);
    move |seen| {
        let taken = |left: usize| left.checked_sub(1);
        if matching(seen)
            && left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, taken)
                .is_ok()
        {
            fault.clone()
        } else {
            Fault::None
        }
    }
}

pub fn is_get(seen: &Seen) -> bool {
    seen.method == "GET" && !seen.target.contains("list-type")
}

pub fn is_part(seen: &Seen) -> bool {
    seen.method == "PUT" && seen.target.contains("partNumber")
}
