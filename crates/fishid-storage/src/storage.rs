//! A place with files: opening it, its names, its listing. Reading and writing are in the modules below.

mod fetch;
mod folder;
mod read;
mod walk;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use object_store::ObjectStore;
use object_store::path::Path;

use crate::error::{StorageError, reason};
use crate::runtime::{runtime, wait};
use crate::s3::{self, Place};

pub use fetch::Take;
pub use walk::{Walk, Walked};
pub use write::sha256_of_file;

/// A file of the listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Relative to the place.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Something that changes when the file does: modification time and entity tag.
    pub version: String,
}

/// Everything in a folder or under a prefix.
#[derive(Debug, Default)]
pub struct Listing {
    /// The files, in no order.
    pub files: Vec<Listed>,
    /// What could not be listed: a loop of links, a name that is not text, a folder without permission.
    pub failures: Vec<String>,
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Bytes.
    pub size: u64,
    /// Something that changes when the file does.
    pub version: String,
    /// Hex SHA-256 that the writer left with the object; folders and foreign objects have none.
    pub sha256: Option<String>,
}

/// A file as it was carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Bytes.
    pub size: u64,
    /// Hex SHA-256.
    pub sha256: String,
}

/// A folder, or a prefix in a bucket.
#[derive(Debug, Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    location: String,
    /// None for a folder.
    place: Option<Place>,
}

impl Storage {
    /// Opens a folder, `file:///folder` or `s3://bucket/prefix`; `settings` are named like the environment
    /// variables of the AWS tools and go before them. Nothing is asked of S3 yet.
    pub fn open(location: &str, settings: &BTreeMap<String, String>) -> Result<Self, StorageError> {
        if let Some(rest) = location.strip_prefix("s3://") {
            let opened = s3::open(location, rest, settings)?;
            return Ok(Self {
                store: opened.store,
                prefix: opened.prefix,
                location: location.to_owned(),
                place: Some(opened.place),
            });
        }
        let (folder, store) = folder::open(location)?;
        Ok(Self {
            store,
            prefix: Path::default(),
            location: folder,
            place: None,
        })
    }

    /// What was opened, as it was written; without `file://`.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// A folder of this place, as a place of its own; it need not be there yet.
    pub fn below(&self, folder: &str) -> Result<Self, StorageError> {
        let prefix = self.path(folder).map_err(|reason| StorageError::Settings {
            location: self.full_path(folder),
            reason,
        })?;
        Ok(Self {
            store: Arc::clone(&self.store),
            prefix,
            location: self.full_path(folder),
            place: self.place.clone(),
        })
    }

    /// Whether it is on another machine.
    pub fn is_remote(&self) -> bool {
        self.place.is_some()
    }

    /// The folder, where it is one.
    pub fn folder(&self) -> Option<std::path::PathBuf> {
        (!self.is_remote()).then(|| self.location.clone().into())
    }

    /// Path of a file as a person can open it.
    pub fn full_path(&self, path: &str) -> String {
        let folder = self.location.trim_end_matches('/');
        if path.is_empty() {
            return folder.to_owned();
        }
        format!("{folder}/{path}")
    }

    /// Lists everything, in no order.
    pub fn list(&self) -> Result<Listing, StorageError> {
        // On a thread of its own: there `object_store` lists a folder as a plain iterator, which goes on after
        // an entry that fails. In a runtime it stops at the first one.
        std::thread::scope(|scope| {
            let listing = scope.spawn(|| self.list_here()).join();
            listing.unwrap_or_else(|_| Err(self.unlisted("listing stopped unexpectedly")))
        })
    }

    fn list_here(&self) -> Result<Listing, StorageError> {
        let mut listing = Listing::default();
        self.list_each(&mut |walked| {
            match walked {
                Walked::File(file) => listing.files.push(file),
                Walked::Unlisted(failure) => listing.failures.push(failure),
            }
            true
        })?;
        Ok(listing)
    }

    /// Lists until `take` has enough. On a thread where nothing else runs, as [`Storage::list`] says.
    fn list_each(&self, take: &mut dyn FnMut(Walked) -> bool) -> Result<(), StorageError> {
        let runtime = runtime().map_err(|error| self.unlisted(error))?;
        let mut stream = self.store.list(Some(&self.prefix));
        while let Some(entry) = runtime.block_on(stream.next()) {
            let walked = match entry {
                Ok(meta) => {
                    let Some(path) = self.relative(&meta.location) else {
                        continue;
                    };
                    Walked::File(Listed {
                        path,
                        size: meta.size,
                        version: version(&meta),
                    })
                }
                Err(error) if self.is_remote() => {
                    return Err(self.blame("", &error, |reason| self.unlisted(reason)));
                }
                Err(error) => Walked::Unlisted(reason(&error)),
            };
            if !take(walked) {
                break;
            }
        }
        Ok(())
    }

    /// Folders directly under `folder` ("" for the place itself), empty ones included where the storage
    /// knows them; sorted.
    pub fn folders(&self, folder: &str) -> Vec<String> {
        let (store, path) = (Arc::clone(&self.store), self.path(folder));
        let listed = wait(async move { store.list_with_delimiter(path.ok().as_ref()).await });
        let Ok(Ok(listed)) = listed else {
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

    fn unlisted(&self, reason: impl Into<String>) -> StorageError {
        StorageError::List {
            location: self.location.clone(),
            reason: reason.into(),
        }
    }

    fn unread(&self, path: &str, reason: impl Into<String>) -> StorageError {
        StorageError::Read {
            path: self.full_path(path),
            reason: reason.into(),
        }
    }

    fn unwritten(&self, path: &str, reason: impl Into<String>) -> StorageError {
        StorageError::Write {
            path: self.full_path(path),
            reason: reason.into(),
        }
    }

    /// A failure that S3 explains, in its own words; any other by `otherwise`.
    fn blame(
        &self,
        path: &str,
        error: &object_store::Error,
        otherwise: impl FnOnce(String) -> StorageError,
    ) -> StorageError {
        match self.place.as_ref().and_then(|place| place.problem(error)) {
            Some(problem) => StorageError::S3 {
                path: self.full_path(path),
                problem,
            },
            None => otherwise(odd_key(error).unwrap_or_else(|| reason(error))),
        }
    }
}

/// `object_store` gives up a listing at a key that is no path; a person has to know which.
fn odd_key(error: &object_store::Error) -> Option<String> {
    use object_store::path::Error as Odd;
    let object_store::Error::InvalidPath { source } = error else {
        return None;
    };
    match source {
        Odd::EmptySegment { path } | Odd::BadSegment { path, .. } => Some(format!(
            "the key {path:?} is no path (an empty name, `.`, `..` or a control character in it); rename or delete {path:?}"
        )),
        _ => None,
    }
}

fn version(meta: &object_store::ObjectMeta) -> String {
    format!(
        "{} {}",
        meta.last_modified.timestamp_micros(),
        meta.e_tag.as_deref().unwrap_or_default()
    )
}

/// Names that begin with a dot, and what archives of a Mac leave behind.
pub fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || name == "__MACOSX"
}
