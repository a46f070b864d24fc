//! Where the bytes are: a folder or an S3 prefix behind one `object_store`, with a blocking face.
//!
//! Owns its own small runtime, so it may be called from any thread, inside another runtime too (it blocks
//! that thread). Does not know what is a photograph. Start at [`Storage::open`].

mod s3;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use futures::StreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::runtime::Runtime;

use crate::DatasetError;

/// Larger files are not photographs; reading one must not take the machine's memory.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Whole reads tried again when the connection breaks in the middle of a body.
const N_READS: u32 = 3;

static RUNTIME: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("fishid-storage")
        .enable_all()
        .build()
});

/// A file of the listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Relative to the data set.
    pub path: String,
    pub size: u64,
    /// Something that changes when the file does: modification time and entity tag.
    pub version: String,
}

/// Everything in a folder or under a prefix.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub files: Vec<Listed>,
    /// What could not be listed: a loop of links, a name that is not text, a folder without permission.
    pub failures: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Storage {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    location: String,
    is_remote: bool,
}

impl Storage {
    /// Opens a folder, `file:///folder` or `s3://bucket/prefix`; `settings` are named like the environment
    /// variables of the AWS tools and go before them.
    pub(crate) fn open(
        location: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<Self, DatasetError> {
        if let Some(rest) = location.strip_prefix("s3://") {
            return s3::open(location, rest, settings);
        }
        let folder = location.strip_prefix("file://").unwrap_or(location);
        if folder.contains("://") {
            return Err(DatasetError::UnknownScheme {
                location: location.to_owned(),
            });
        }
        match std::fs::metadata(folder) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => {
                return Err(DatasetError::NotAFolder {
                    location: folder.to_owned(),
                });
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(DatasetError::Missing {
                    location: folder.to_owned(),
                });
            }
            Err(error) => {
                return Err(DatasetError::Read {
                    path: folder.to_owned(),
                    reason: error.to_string(),
                });
            }
        }
        let store =
            object_store::local::LocalFileSystem::new_with_prefix(folder).map_err(|error| {
                DatasetError::Read {
                    path: folder.to_owned(),
                    reason: reason(&error),
                }
            })?;
        Ok(Self {
            store: Arc::new(store),
            prefix: Path::default(),
            location: folder.to_owned(),
            is_remote: false,
        })
    }

    pub(crate) fn of_store(store: Arc<dyn ObjectStore>, prefix: Path, location: String) -> Self {
        Self {
            store,
            prefix,
            location,
            is_remote: true,
        }
    }

    pub(crate) fn location(&self) -> &str {
        &self.location
    }

    pub(crate) fn is_remote(&self) -> bool {
        self.is_remote
    }

    /// The folder, where it is one.
    pub(crate) fn folder(&self) -> Option<std::path::PathBuf> {
        (!self.is_remote).then(|| self.location.clone().into())
    }

    /// Path of a file as a person can open it.
    pub(crate) fn full_path(&self, path: &str) -> String {
        format!("{}/{path}", self.location.trim_end_matches('/'))
    }

    /// Lists everything, in no order.
    pub(crate) fn list(&self) -> Result<Listing, DatasetError> {
        // On a thread of its own: there `object_store` lists a folder as a plain iterator, which goes on after
        // an entry that fails. In a runtime it stops at the first one.
        std::thread::scope(|scope| {
            let listing = scope.spawn(|| self.list_here()).join();
            listing.unwrap_or_else(|_| Err(self.failed("listing stopped unexpectedly")))
        })
    }

    fn list_here(&self) -> Result<Listing, DatasetError> {
        let runtime = runtime().map_err(|error| self.failed(error))?;
        let mut listing = Listing::default();
        let mut stream = self.store.list(Some(&self.prefix));
        while let Some(entry) = runtime.block_on(stream.next()) {
            match entry {
                Ok(meta) => {
                    let Some(path) = self.relative(&meta.location) else {
                        continue;
                    };
                    let version = format!(
                        "{} {}",
                        meta.last_modified.timestamp_micros(),
                        meta.e_tag.as_deref().unwrap_or_default()
                    );
                    listing.files.push(Listed {
                        path,
                        size: meta.size,
                        version,
                    });
                }
                Err(error) if self.is_remote => return Err(self.failed(reason(&error))),
                Err(error) => listing.failures.push(reason(&error)),
            }
        }
        Ok(listing)
    }

    /// Folders directly under `folder` ("" for the data set itself), empty ones included where the storage
    /// knows them; sorted.
    pub(crate) fn folders(&self, folder: &str) -> Vec<String> {
        let (store, path) = (Arc::clone(&self.store), self.path(folder));
        let listed = wait(async move { store.list_with_delimiter(path.ok().as_ref()).await });
        let Some(Ok(listed)) = listed else {
            return Vec::new();
        };
        let mut folders: Vec<String> = listed
            .common_prefixes
            .iter()
            .filter_map(|path| path.filename())
            .filter(|name| !is_hidden(name))
            .map(str::to_owned)
            .collect();
        folders.sort_unstable();
        folders
    }

    /// Reads a file; none when it does not exist.
    pub(crate) fn read_if_present(&self, path: &str) -> Result<Option<Bytes>, DatasetError> {
        let failed = |reason: String| DatasetError::Read {
            path: self.full_path(path),
            reason,
        };
        let location = self.path(path).map_err(&failed)?;
        let mut attempt = 1;
        loop {
            let (store, location) = (Arc::clone(&self.store), location.clone());
            let read = wait(async move {
                let result = store.get(&location).await?;
                if result.meta.size > MAX_FILE_BYTES {
                    return Ok(Err(result.meta.size));
                }
                result.bytes().await.map(Ok)
            });
            match read {
                None => return Err(failed("the storage threads have stopped".to_owned())),
                Some(Ok(Ok(bytes))) => return Ok(Some(bytes)),
                Some(Ok(Err(size))) => {
                    let (size, most) = (size >> 20, MAX_FILE_BYTES >> 20);
                    return Err(failed(format!(
                        "it is {size} MB; files above {most} MB are not read as photographs"
                    )));
                }
                Some(Err(object_store::Error::NotFound { .. })) => return Ok(None),
                Some(Err(error)) if attempt == N_READS || !self.is_remote => {
                    return Err(failed(reason(&error)));
                }
                Some(Err(error)) => tracing::warn!(path, attempt, error = %error, "reading again"),
            }
            attempt += 1;
        }
    }

    pub(crate) fn read(&self, path: &str) -> Result<Bytes, DatasetError> {
        self.read_if_present(path)?
            .ok_or_else(|| DatasetError::Read {
                path: self.full_path(path),
                reason: "it does not exist (any more)".to_owned(),
            })
    }

    fn path(&self, relative: &str) -> Result<Path, String> {
        let joined = format!("{}/{relative}", self.prefix);
        Path::parse(joined.trim_matches('/')).map_err(|error| error.to_string())
    }

    fn relative(&self, location: &Path) -> Option<String> {
        let rest = location
            .as_ref()
            .strip_prefix(self.prefix.as_ref())?
            .trim_start_matches('/');
        (!rest.is_empty()).then(|| rest.to_owned())
    }

    fn failed(&self, reason: impl Into<String>) -> DatasetError {
        DatasetError::Storage {
            location: self.location.clone(),
            reason: reason.into(),
        }
    }
}

/// Names that begin with a dot, and what archives of a Mac leave behind.
pub(crate) fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || name == "__MACOSX"
}

fn runtime() -> Result<&'static Runtime, String> {
    RUNTIME
        .as_ref()
        .map_err(|error| format!("no threads for reading could be started: {error}"))
}

/// Runs a future on the storage threads and blocks for its result; none when those threads are gone.
fn wait<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    runtime().ok()?.spawn(async move {
        // A send fails only when the receiver is gone, and then nobody waits.
        let _ = sender.send(future.await);
    });
    receiver.recv().ok()
}

/// An error with its causes in one line: the outer ones of `object_store` rarely say what happened.
fn reason(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
