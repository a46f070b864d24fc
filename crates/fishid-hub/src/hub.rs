//! The hub as its users see it: what is in the cache, what is fetched, what the hub says now.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

use crate::cache::Entry;
use crate::declaration::Declaration;
use crate::digest::Sha256Hex;
use crate::download::Download;
use crate::error::HubError;
use crate::file::HubFile;
use crate::record::Record;
use crate::request::{self, Requester};
use crate::settings::HubSettings;

/// A model hub and the cache of what came from it.
///
/// Its calls block: call them off an async runtime's threads.
#[derive(Debug)]
pub struct Hub {
    settings: HubSettings,
    base: Url,
}

/// A file in the cache, verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its digest, computed from the file as it lies there.
    pub sha256: Sha256Hex,
    /// Its length in bytes.
    pub size: u64,
    /// The commit it is of: the pinned one, else the one the hub declared at the first download.
    pub commit: Option<String>,
    /// Where the hub was asked for it.
    pub url: String,
}

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes on disk, those of earlier tries included. Falls back when a server cannot continue.
    pub bytes: u64,
    /// Length of the file, where a header said it.
    pub total: Option<u64>,
}

impl Hub {
    /// Makes no connection and no folder.
    pub fn new(settings: HubSettings) -> Result<Self, HubError> {
        let base = request::address(&settings.base_url)?;
        Ok(Self { settings, base })
    }

    /// The file, if it is in the cache and still what was downloaded first. Never asks the network.
    ///
    /// Reads the whole file to verify it. A damaged file counts as absent: [`Hub::fetch`] mends it.
    pub fn cached(&self, file: &HubFile) -> Result<Option<CachedFile>, HubError> {
        file.validate()?;
        verified(file, &Entry::new(&self.settings.cache_dir, file))
    }

    /// An error when the cache holds the file with other bytes than were downloaded: whoever does without the hub
    /// must not take that for an empty cache.
    pub fn refuse_damaged(&self, file: &HubFile) -> Result<(), HubError> {
        let entry = Entry::new(&self.settings.cache_dir, file);
        match entry.record()? {
            Some(record) if entry.path().exists() && verified(file, &entry)?.is_none() => {
                Err(HubError::Damaged {
                    path: entry.path().to_owned(),
                    recorded: record.sha256,
                })
            }
            _ => Ok(()),
        }
    }

    /// The file from the cache, else from the hub.
    ///
    /// Tries again what may pass, within `limit` where there is one; whatever came before the limit
    /// is kept for the next call. Several processes that fetch the same file wait for the first.
    pub fn fetch(
        &self,
        file: &HubFile,
        limit: Option<Duration>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<CachedFile, HubError> {
        if let Some(cached) = self.cached(file)? {
            return Ok(cached);
        }
        let entry = Entry::new(&self.settings.cache_dir, file);
        let fetched = within(file, limit, async {
            let _lock = entry.lock().await?;
            if let Some(cached) = verified(file, &entry)? {
                return Ok(cached);
            }
            if entry.path().exists() {
                tracing::warn!(path = %entry.path().display(), "the cached file is damaged, fetching it again");
            }
            let download = self.download(file, &entry, progress)?;
            let record = download.run().await?;
            Ok(describe(file, &entry, record))
        });
        match fetched {
            Err(error) if error.is_unavailable() => {
                self.refuse_damaged(file)?;
                Err(error)
            }
            fetched => fetched,
        }
    }

    /// What the hub declares of the file now, refused where it differs from what is asked for or
    /// from what was downloaded first. Downloads nothing.
    pub fn check(&self, file: &HubFile, limit: Option<Duration>) -> Result<Declaration, HubError> {
        file.validate()?;
        let entry = Entry::new(&self.settings.cache_dir, file);
        within(file, limit, async {
            let mut silent = |_| {};
            let mut download = self.download(file, &entry, &mut silent)?;
            let declared = download.declaration().await?;
            if let Some(record) = entry.record()? {
                record.agrees_with_hub(file, &declared, &entry.record_path())?;
            }
            Ok(declared)
        })
    }

    fn download<'a>(
        &'a self,
        file: &'a HubFile,
        entry: &'a Entry,
        progress: &'a mut dyn FnMut(Progress),
    ) -> Result<Download<'a>, HubError> {
        Ok(Download {
            // One per call: its connections live and die with the call's own runtime.
            requester: Requester::new(&self.settings, self.base.clone())?,
            timing: &self.settings.timing,
            file,
            entry,
            progress,
            failures: 0,
        })
    }
}

fn verified(file: &HubFile, entry: &Entry) -> Result<Option<CachedFile>, HubError> {
    let Some(record) = entry.record()? else {
        return Ok(None);
    };
    record.agrees_with_request(file, &entry.record_path())?;
    match entry.digest_if_long(record.size)? {
        Some(found) if found == record.sha256 => Ok(Some(describe(file, entry, record))),
        _ => Ok(None),
    }
}

fn describe(file: &HubFile, entry: &Entry, record: Record) -> CachedFile {
    let pinned = file.is_pinned().then(|| file.revision.clone());
    CachedFile {
        path: entry.path().to_owned(),
        sha256: record.sha256,
        size: record.size,
        commit: pinned.or(record.commit),
        url: record.url,
    }
}

/// Runs `work` on this thread, for so long at most.
fn within<T>(
    file: &HubFile,
    limit: Option<Duration>,
    work: impl Future<Output = Result<T, HubError>>,
) -> Result<T, HubError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| HubError::Client {
            reason: error.to_string(),
        })?;
    runtime.block_on(async {
        let Some(limit) = limit else {
            return work.await;
        };
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            Err(HubError::OutOfTime {
                file: file.to_string(),
                limit,
            })
        })
    })
}
