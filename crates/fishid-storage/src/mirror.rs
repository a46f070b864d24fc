//! A folder brought to another place, or fetched from one: what is there already is left alone, the rest is carried
//! in parallel.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::StorageError;
use crate::storage::{Listed, Storage, is_hidden, sha256_of_file};

/// Files on their way at once: most of the time of a small one is waiting.
const N_THREADS: usize = 16;

/// What [`mirror`] or [`fetch_all`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mirrored {
    /// Files carried.
    pub n_stored: usize,
    /// Bytes carried.
    pub bytes_stored: u64,
    /// Files that were there already, with the same content.
    pub n_skipped: usize,
}

/// Brings every file of a folder to `to`, under the same names; hidden files stay. Nothing is removed there.
///
/// A file is there already when an object of its name has its size and its digest, so that a second call goes
/// on where one was interrupted. `progress` is called with (done, total), from any thread.
pub fn mirror(
    from: &Path,
    to: &Storage,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Mirrored, StorageError> {
    let listing =
        Storage::open(&from.to_string_lossy(), &std::collections::BTreeMap::new())?.list()?;
    if let Some(failure) = listing.failures.first() {
        return Err(StorageError::List {
            location: from.display().to_string(),
            reason: format!("{failure}; repair or remove it first"),
        });
    }
    let mut files: Vec<Listed> = listing.files;
    files.retain(|file| !file.path.split('/').any(is_hidden));
    refuse_ways_out(from, &files)?;
    files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let there = to.list()?.files.into_iter();
    let there: HashMap<String, u64> = there.map(|file| (file.path, file.size)).collect();

    carry_all(&files, progress, &|file| {
        bring(from, file, there.get(&file.path).copied(), to)
    })
}

/// Fetches every file of `from` into a folder, under the same names; hidden files stay there. Nothing is removed
/// from the folder.
///
/// A file is there already when it has the object's size and digest; what another program wrote carries none and is
/// fetched each time. `progress` as for [`mirror`].
pub fn fetch_all(
    from: &Storage,
    to: &Path,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Mirrored, StorageError> {
    let mut files: Vec<Listed> = from.list()?.files;
    files.retain(|file| !file.path.split('/').any(is_hidden));
    carry_all(&files, progress, &|file| {
        let path = to.join(&file.path);
        let size_here = path.metadata().ok().map(|metadata| metadata.len());
        if size_here == Some(file.size) && is_same(&path, file, from)? {
            return Ok(false);
        }
        from.get_file(&file.path, &path, None)?;
        Ok(true)
    })
}

/// Carries files, several at a time, up to the first error; `carry` says whether one had to be.
fn carry_all(
    files: &[Listed],
    progress: &(dyn Fn(usize, usize) + Sync),
    carry: &(dyn Fn(&Listed) -> Result<bool, StorageError> + Sync),
) -> Result<Mirrored, StorageError> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let is_stopped = AtomicBool::new(false);
    let outcome = Mutex::new(Ok(Mirrored::default()));
    let work = || {
        while !is_stopped.load(Ordering::Relaxed) {
            let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            let stored = carry(file);
            let mut outcome = outcome
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            match (stored, outcome.as_mut()) {
                (Ok(true), Ok(mirrored)) => {
                    mirrored.n_stored += 1;
                    mirrored.bytes_stored += file.size;
                }
                (Ok(false), Ok(mirrored)) => mirrored.n_skipped += 1,
                (Err(error), Ok(_)) => {
                    is_stopped.store(true, Ordering::Relaxed);
                    *outcome = Err(error);
                }
                (_, Err(_)) => {}
            }
            drop(outcome);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, files.len());
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..N_THREADS.min(files.len()) {
            scope.spawn(work);
        }
    });
    outcome
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Refuses links that lead out of the folder: whoever uploads a folder does not mean what lies elsewhere.
fn refuse_ways_out(from: &Path, files: &[Listed]) -> Result<(), StorageError> {
    let unread = |path: &Path, reason: String| StorageError::Read {
        path: path.display().to_string(),
        reason,
    };
    let real = |path: &Path| {
        path.canonicalize()
            .map_err(|error| unread(path, error.to_string()))
    };
    let root = real(from)?;
    for file in files {
        let path = from.join(&file.path);
        let target = real(&path)?;
        if !target.starts_with(&root) {
            let reason = format!(
                "it leads to {}, out of the folder; put a copy of the file in its place, or upload the folder it leads to",
                target.display()
            );
            return Err(unread(&path, reason));
        }
    }
    Ok(())
}

/// Whether the file had to be carried.
fn bring(
    from: &Path,
    file: &Listed,
    size_there: Option<u64>,
    to: &Storage,
) -> Result<bool, StorageError> {
    let path = from.join(&file.path);
    if size_there == Some(file.size) && is_same(&path, file, to)? {
        return Ok(false);
    }
    to.put_file(&file.path, &path)?;
    Ok(true)
}

fn is_same(path: &Path, file: &Listed, to: &Storage) -> Result<bool, StorageError> {
    let Some(sha256) = to.stat(&file.path)?.and_then(|stat| stat.sha256) else {
        return Ok(false);
    };
    let own = sha256_of_file(path).map_err(|error| StorageError::Read {
        path: path.display().to_string(),
        reason: error.to_string(),
    })?;
    Ok(own.sha256 == sha256)
}
