//! A version's files come to this machine: into a hidden folder of the cache, each verified, then in place by
//! one rename. A stop leaves the hidden folder, and the next fetch goes on with it.
//!
//! `CACHE/<bundle digest>/…` is the bundle. It is named by content, so it serves every model and server.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use fishid_bundle::Bundle;

use super::artifacts::Artifacts;
use super::digests;
use super::error::MlflowError;
use super::model::{BUNDLE_DIGEST, RemoteModel};
use super::transfer::Sink;
use super::wire::ModelVersion;
use crate::error::RegistryError;
use crate::folder::durable::{create_folders, sync_folder};

/// Where a version's files are on the server, and what they are to be.
pub(crate) struct Remote {
    folder: Artifacts,
    /// Path and digest.
    files: Vec<(String, String)>,
    digest: String,
    /// The version, for messages.
    what: String,
}

impl Remote {
    /// Reads the list of a version's files.
    pub fn of(model: &RemoteModel, version: &ModelVersion) -> Result<Self, RegistryError> {
        let what = format!("version {} of {}", version.version, model.name);
        let Some(digest) = version.tag(BUNDLE_DIGEST).filter(|tag| !tag.is_empty()) else {
            return Err(MlflowError::Foreign {
                what,
                reason: format!("it has no tag {BUNDLE_DIGEST}"),
            }
            .into());
        };
        let source = model.source_of(version)?;
        let source = source.trim_end_matches('/');
        let damaged = |reason: String| MlflowError::Damaged {
            what: what.clone(),
            reason,
        };
        let (parent, name) = source
            .rsplit_once('/')
            .ok_or_else(|| damaged("its source is no folder".to_owned()))?;
        let parent = Artifacts::at(&model.client, parent, &what)?;
        let list = parent
            .read(&format!("{name}.sha256"))?
            .ok_or_else(|| damaged(format!("the list of its files, {name}.sha256, is missing")))?;
        let files = digests::read(&list, digest).map_err(damaged)?;
        Ok(Self {
            folder: parent.folder(name)?,
            files,
            digest: digest.to_owned(),
            what,
        })
    }

    /// Reads every file of the version on the server and compares digests.
    pub fn verify(&self) -> Result<(), RegistryError> {
        for (path, sha256) in &self.files {
            match self.folder.digest(path)? {
                Some(found) if found.sha256 == *sha256 => {}
                Some(_) => return Err(self.damaged(path, "is not what was published")),
                None => return Err(self.damaged(path, "is missing")),
            }
        }
        Ok(())
    }

    fn damaged(&self, path: &str, how: &str) -> RegistryError {
        MlflowError::Damaged {
            what: self.what.clone(),
            reason: format!("its file {path} {how}"),
        }
        .into()
    }

    fn download(&self, path: &str, sha256: &str, target: &Path) -> Result<(), RegistryError> {
        if let Some(folder) = target.parent() {
            create_folders(folder)?;
        }
        let failed = |action| RegistryError::io(action, target);
        let mut sink = Sink::file(target).map_err(failed("cannot write"))?;
        let n_kept = sink.length();
        if n_kept > 0 && sink.sha256() == sha256 {
            return Ok(());
        }
        let missing = || self.damaged(path, "is missing");
        sink = self.folder.download(path, sink)?.ok_or_else(missing)?;
        if sink.sha256() != sha256 && n_kept > 0 {
            // The beginning was of another file; a whole one leaves no such doubt.
            sink.restart().map_err(failed("cannot shorten"))?;
            sink = self.folder.download(path, sink)?.ok_or_else(missing)?;
        }
        if sink.sha256() != sha256 {
            // Nothing of it is worth going on with.
            fs::remove_file(target).map_err(failed("cannot remove"))?;
            return Err(self.damaged(path, "is not what was published"));
        }
        sink.sync().map_err(failed("cannot flush"))
    }
}

/// Whether every file of a version is there and what was published; each is read.
pub(crate) fn is_intact(
    model: &RemoteModel,
    version: &ModelVersion,
) -> Result<bool, RegistryError> {
    match Remote::of(model, version).and_then(|remote| remote.verify()) {
        Ok(()) => Ok(true),
        Err(RegistryError::Mlflow(
            MlflowError::Damaged { .. }
            | MlflowError::Foreign { .. }
            | MlflowError::ArtifactScheme { .. },
        )) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The folder of a version's bundle in the cache, its digest verified just now.
pub(crate) fn fetch(
    model: &RemoteModel,
    version: &ModelVersion,
    cache: &Path,
) -> Result<PathBuf, RegistryError> {
    if let Some(digest) = version.tag(BUNDLE_DIGEST)
        && let Some(folder) = cached(cache, digest)
    {
        return Ok(folder);
    }
    let remote = Remote::of(model, version)?;
    create_folders(cache)?;
    let lock_path = cache.join(format!(".{}.lock", remote.digest));
    let lock = File::create(&lock_path).map_err(RegistryError::io("cannot create", &lock_path))?;
    lock.lock()
        .map_err(RegistryError::io("cannot lock", &lock_path))?;
    // Whoever had the lock before may have fetched it.
    if let Some(folder) = cached(cache, &remote.digest) {
        return Ok(folder);
    }
    let partial = cache.join(format!(".{}.partial", remote.digest));
    remove_strangers(&partial, &remote.files)?;
    for (path, sha256) in &remote.files {
        remote.download(path, sha256, &partial.join(path))?;
    }
    let target = cache.join(&remote.digest);
    if target.exists() {
        // Damaged, or it would have been taken above.
        tracing::warn!(folder = %target.display(), "a damaged bundle of the cache is replaced");
        fs::remove_dir_all(&target).map_err(RegistryError::io("cannot remove", &target))?;
    }
    sync_folder(&partial)?;
    fs::rename(&partial, &target).map_err(RegistryError::io("cannot move to", &target))?;
    sync_folder(cache)?;
    match digest_of(&target) {
        Some(found) if found == remote.digest => Ok(target),
        _ => Err(RegistryError::damaged(
            &target,
            "it is not the bundle that was fetched",
        )),
    }
}

/// The bundle of this digest in the cache, if it is there and whole.
pub(crate) fn cached(cache: &Path, digest: &str) -> Option<PathBuf> {
    let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    let folder = cache.join(digest);
    (is_digest && digest_of(&folder).as_deref() == Some(digest)).then_some(folder)
}

fn digest_of(folder: &Path) -> Option<String> {
    Bundle::open(folder).ok()?.bundle_digest().ok()
}

/// Removes files of an unfinished download that the list does not name; their folders do no harm.
fn remove_strangers(partial: &Path, files: &[(String, String)]) -> Result<(), RegistryError> {
    create_folders(partial)?;
    let mut folders = vec![partial.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = |error| RegistryError::io("cannot list", &folder)(error);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let relative = path.strip_prefix(partial).unwrap_or(&path);
            if path.is_dir() {
                folders.push(path);
            } else if !files.iter().any(|(known, _)| Path::new(known) == relative) {
                fs::remove_file(&path).map_err(RegistryError::io("cannot remove", &path))?;
            }
        }
    }
    Ok(())
}
