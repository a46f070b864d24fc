//! Files that appear whole or not at all, whoever else writes the same and whenever a run is killed.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::NetworkError;

/// Writes beside the target, then renames.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), NetworkError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_file_name(format!(".{name}.{}-{count}.part", std::process::id()));
    let written = write_synced(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|source| {
        // What is left of a failed attempt is of no use; the first error is the one to tell.
        let _ = fs::remove_file(&temporary);
        NetworkError::File {
            path: path.to_owned(),
            source,
        }
    })
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
