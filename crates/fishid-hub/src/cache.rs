//! Where a file, its record and its unfinished part lie, and who may write there.
//!
//! `CACHE/OWNER--NAME/REVISION/FILE`, with `FILE.json` (the record), `FILE.lock` and
//! `FILE.<digest>.part` beside it. The lock file stays: deleting it would let two writers hold two
//! locks. Knows nothing of HTTP.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::digest::Sha256Hex;
use crate::error::HubError;
use crate::file::HubFile;
use crate::part::Part;
use crate::record::Record;

/// Between two looks at a lock that another process holds.
const LOCK_INTERVAL: Duration = Duration::from_millis(50);

/// The place of one file in the cache.
#[derive(Debug)]
pub(crate) struct Entry {
    path: PathBuf,
}

impl Entry {
    pub fn new(cache_dir: &Path, file: &HubFile) -> Self {
        let folder = cache_dir
            .join(file.repository.replace('/', "--"))
            .join(file.revision.replace('/', "--"));
        Self {
            path: folder.join(&file.file),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(ending);
        name.into()
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    pub fn record_path(&self) -> PathBuf {
        self.beside(".json")
    }

    /// What was recorded at the first download; `None` before it.
    pub fn record(&self) -> Result<Option<Record>, HubError> {
        let path = self.record_path();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(HubError::cache("read", &path)(error)),
        };
        let record = serde_json::from_slice(&text).map_err(|error| HubError::BrokenRecord {
            path,
            reason: error.to_string(),
        })?;
        Ok(Some(record))
    }

    /// Digest of the file, `None` when there is none or its length is wrong already.
    pub fn digest_if_long(&self, size: u64) -> Result<Option<Sha256Hex>, HubError> {
        match fs::metadata(&self.path) {
            Ok(found) if found.len() == size => {}
            Ok(_) => return Ok(None),
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(HubError::cache("read", &self.path)(error)),
        }
        let digest = Sha256Hex::of_file(&self.path);
        digest
            .map(Some)
            .map_err(HubError::cache("read", &self.path))
    }

    /// Keeps every other writer out until the lock is dropped; waits for one that is there already.
    ///
    /// Looks again and again instead of blocking in the kernel, so that a time limit holds here too.
    pub async fn lock(&self) -> Result<File, HubError> {
        fs::create_dir_all(self.folder()).map_err(HubError::cache("create", self.folder()))?;
        let path = self.beside(".lock");
        let file = File::create(&path).map_err(HubError::cache("create", &path))?;
        let mut said = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {
                    if !said {
                        tracing::info!(file = %self.path.display(), "waiting for another download of the same file");
                        said = true;
                    }
                    tokio::time::sleep(LOCK_INTERVAL).await;
                }
                Err(TryLockError::Error(error)) => {
                    return Err(HubError::cache("lock", &path)(error));
                }
            }
        }
    }

    /// The part of the file that has this digest.
    pub fn part(&self, digest: &Sha256Hex) -> Result<Part, HubError> {
        Part::open(self.beside(&format!(".{}.part", &digest.as_str()[..16])))
    }

    /// Records the download, then puts the file in its place. A crash between the two leaves a record
    /// without a file, which only means that the next download is held against it.
    pub fn publish(&self, part: Part, record: &Record) -> Result<(), HubError> {
        let path = self.record_path();
        let write = || -> io::Result<()> {
            // Under the lock this name has one writer; one that a crash left behind is overwritten.
            let next = self.beside(".json.next");
            let file = File::create(&next)?;
            serde_json::to_writer_pretty(&file, record)?;
            file.sync_all()?;
            fs::rename(&next, &path)
        };
        write().map_err(HubError::cache("write", &path))?;
        part.publish(&self.path)?;
        File::open(self.folder())
            .and_then(|folder| folder.sync_all())
            .map_err(HubError::cache("flush", self.folder()))
    }
}

/// No such file, nor a folder in which it could be.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
