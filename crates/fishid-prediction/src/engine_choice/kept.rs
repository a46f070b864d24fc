//! Folders that would otherwise grow for ever.

use std::path::Path;
use std::time::{Duration, SystemTime};

/// Removes all but the `n` files written last, and no younger ones. What cannot be removed stays: another process may
/// have been faster.
pub(super) fn forget_oldest(folder: &Path, n: usize, young: Duration) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut files: Vec<_> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let metadata = entry.metadata().ok()?;
            metadata.is_file().then_some(())?;
            Some((metadata.modified().ok()?, entry.path()))
        })
        .collect();
    files.sort();
    let n_too_many = files.len().saturating_sub(n);
    let now = SystemTime::now();
    let is_old = |written: SystemTime| now.duration_since(written).is_ok_and(|age| age >= young);
    for (written, path) in files.into_iter().take(n_too_many) {
        if !is_old(written) {
            break;
        }
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::debug!(path = %path.display(), %error, "an old file stays");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs::{File, read_dir};

    #[test]
    fn the_newest_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        for (name, age) in [("old", 30), ("new", 1), ("middle", 20), ("older", 40)] {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age))
                .unwrap();
        }
        forget_oldest(folder.path(), 1, Duration::from_secs(25));
        let mut left: Vec<_> = read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["middle", "new"]);
        forget_oldest(&folder.path().join("nowhere"), 2, Duration::ZERO);
    }
}
