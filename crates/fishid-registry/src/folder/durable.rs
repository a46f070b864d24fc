//! File operations that survive a crash: what they report as done is on the disk.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use fishid_bundle::FileDigest;
use sha2::{Digest, Sha256};

use crate::error::RegistryError;

/// Creates `path` and its parents.
pub(crate) fn create_folders(path: &Path) -> Result<(), RegistryError> {
    fs::create_dir_all(path).map_err(RegistryError::io("cannot create", path))
}

/// Flushes a folder's entries, so that a rename or a new file in it is kept.
pub(crate) fn sync_folder(path: &Path) -> Result<(), RegistryError> {
    let folder = File::open(path).map_err(RegistryError::io("cannot open", path))?;
    folder
        .sync_all()
        .map_err(RegistryError::io("cannot flush", path))
}

/// Writes a file that must not exist yet.
pub(crate) fn write_new(path: &Path, content: &[u8]) -> Result<(), RegistryError> {
    let mut file = File::create_new(path).map_err(RegistryError::io("cannot create", path))?;
    file.write_all(content)
        .map_err(RegistryError::io("cannot write", path))?;
    file.sync_all()
        .map_err(RegistryError::io("cannot flush", path))
}

/// Puts `content` in place of `folder/name` in one step: a reader sees the old or the new file.
///
/// The caller holds the lock, so the hidden file beside it has one writer; one that a crash left
/// behind is overwritten.
pub(crate) fn replace(folder: &Path, name: &str, content: &[u8]) -> Result<(), RegistryError> {
    let hidden = folder.join(format!(".{name}.next"));
    let path = folder.join(name);
    let mut file = File::create(&hidden).map_err(RegistryError::io("cannot create", &hidden))?;
    file.write_all(content)
        .map_err(RegistryError::io("cannot write", &hidden))?;
    file.sync_all()
        .map_err(RegistryError::io("cannot flush", &hidden))?;
    fs::rename(&hidden, &path).map_err(RegistryError::io("cannot replace", &path))?;
    sync_folder(folder)
}

/// Copies the file of a bundle, read-only at its target, and refuses content other than
/// `expected`.
pub(crate) fn copy(from: &Path, to: &Path, expected: &FileDigest) -> Result<(), RegistryError> {
    let mut source = File::open(from).map_err(RegistryError::io("cannot open", from))?;
    let mut target = File::create_new(to).map_err(RegistryError::io("cannot create", to))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let n = source
            .read(&mut buffer)
            .map_err(RegistryError::io("cannot read", from))?;
        if n == 0 {
            break;
        }
        hasher.update(&buffer[..n]);
        target
            .write_all(&buffer[..n])
            .map_err(RegistryError::io("cannot write", to))?;
    }
    if hex::encode(hasher.finalize()) != expected.sha256 {
        return Err(RegistryError::ChangedMeanwhile {
            path: from.to_owned(),
        });
    }
    let metadata = target
        .metadata()
        .map_err(RegistryError::io("cannot read", to))?;
    let mut permissions = metadata.permissions();
    permissions.set_readonly(true);
    target
        .set_permissions(permissions)
        .map_err(RegistryError::io("cannot protect", to))?;
    target
        .sync_all()
        .map_err(RegistryError::io("cannot flush", to))
}

/// The file's content, or `None` when there is no such file.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, RegistryError> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RegistryError::io("cannot read", path)(error)),
    }
}

/// Names in a folder, unsorted; none when there is no such folder. Hidden names and names that
/// are not UTF-8 are nobody's here and left out.
pub(crate) fn names_in(folder: &Path) -> Result<Vec<String>, RegistryError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(RegistryError::io("cannot list", folder)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(RegistryError::io("cannot list", folder))?;
        if let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
        {
            names.push(name);
        }
    }
    Ok(names)
}
