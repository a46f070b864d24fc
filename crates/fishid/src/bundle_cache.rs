//! The bundles that a server has fetched: what it needs no longer goes, or each promotion would leave one for ever.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Younger ones stay: a rollback wants them back, and another process of this machine may be about to open one.
const KEPT_FOR: Duration = Duration::from_hours(7 * 24);

/// Removes the bundles of `cache` that are older than a week, neither in `kept` nor named by a record of what was
/// served last. Trouble is told and stops nothing.
pub fn sweep(cache: &Path, kept: &[PathBuf]) {
    let Ok(entries) = fs::read_dir(cache) else {
        return;
    };
    let paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    // Read as text: a record that cannot be understood keeps what it may mean.
    let records: String = paths
        .iter()
        .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect();
    for path in &paths {
        let Some(digest) = digest_of(path) else {
            continue;
        };
        if kept.contains(path) || records.contains(digest) || !is_old(path) {
            continue;
        }
        match remove(cache, path, digest) {
            Ok(()) => tracing::info!(bundle = %path.display(), "removed from the cache"),
            Err(error) => {
                tracing::warn!(bundle = %path.display(), %error, "cannot be removed from the cache");
            }
        }
    }
}

/// The name of a bundle's folder is its digest.
fn digest_of(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    let is_digest = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_digest && path.is_dir()).then_some(name)
}

fn is_old(path: &Path) -> bool {
    let written = path.metadata().and_then(|metadata| metadata.modified());
    let age = written.map(|written| SystemTime::now().duration_since(written));
    matches!(age, Ok(Ok(age)) if age > KEPT_FOR)
}

/// Out of sight at once, under the lock that whoever fetches it takes.
fn remove(cache: &Path, path: &Path, digest: &str) -> std::io::Result<()> {
    let lock_path = cache.join(format!(".{digest}.lock"));
    let lock = File::create(&lock_path)?;
    if lock.try_lock().is_err() {
        return Ok(());
    }
    let removed = cache.join(format!(".{digest}.removed"));
    fs::rename(path, &removed)?;
    fs::remove_dir_all(&removed)?;
    fs::remove_file(&lock_path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_old_bundles_that_nobody_names_go() {
        let cache = tempfile::tempdir().unwrap();
        let folder = |name: char, days: u64| {
            let path = cache.path().join(name.to_string().repeat(64));
            fs::create_dir(&path).unwrap();
            fs::write(path.join("model.onnx"), "x").unwrap();
            let written = SystemTime::now() - Duration::from_hours(24 * days);
            File::open(&path).unwrap().set_modified(written).unwrap();
            path
        };
        let (old, young, kept, served) = (
            folder('a', 8),
            folder('b', 6),
            folder('c', 30),
            folder('d', 30),
        );
        fs::create_dir(cache.path().join("other")).unwrap();
        let record = format!("{{\"bundle\": {:?}}}", served.display().to_string());
        fs::write(cache.path().join("last-served-1.json"), record).unwrap();
        sweep(cache.path(), std::slice::from_ref(&kept));
        assert!(!old.exists());
        for there in [young, kept, served, cache.path().join("other")] {
            assert!(there.exists(), "{}", there.display());
        }
        let left = fs::read_dir(cache.path()).unwrap().count();
        assert_eq!(left, 5, "no lock and no remains of the old one");
    }
}
