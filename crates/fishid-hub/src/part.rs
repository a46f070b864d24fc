//! The unfinished file of a download. It is named after the digest it must come to, so a part left
//! by an earlier try can only be the beginning of the same file.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::digest::Sha256Hex;
use crate::error::HubError;

/// The bytes that came so far.
#[derive(Debug)]
pub(crate) struct Part {
    path: PathBuf,
    file: File,
    length: u64,
    /// Whether the bytes came by more than one request.
    pieced: bool,
}

impl Part {
    /// Goes on with what an earlier try left, or begins an empty one.
    pub fn open(path: PathBuf) -> Result<Self, HubError> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(HubError::cache("create", &path))?;
        let metadata = file.metadata().map_err(HubError::cache("read", &path))?;
        Ok(Self {
            length: metadata.len(),
            pieced: metadata.len() > 0,
            path,
            file,
        })
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    /// Notes that the next bytes come by another request than those before.
    pub fn continued(&mut self) {
        self.pieced = self.length > 0;
    }

    pub fn is_pieced(&self) -> bool {
        self.pieced
    }

    pub fn append(&mut self, bytes: &[u8]) -> Result<(), HubError> {
        self.file
            .write_all(bytes)
            .map_err(HubError::cache("write", &self.path))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Throws away what came and begins again.
    pub fn restart(&mut self) -> Result<(), HubError> {
        self.file
            .set_len(0)
            .map_err(HubError::cache("shorten", &self.path))?;
        self.length = 0;
        self.pieced = false;
        Ok(())
    }

    /// Flushes what came to the disk and computes its digest from there.
    pub fn digest(&self) -> Result<Sha256Hex, HubError> {
        self.file
            .sync_all()
            .map_err(HubError::cache("flush", &self.path))?;
        Sha256Hex::of_file(&self.path).map_err(HubError::cache("read", &self.path))
    }

    /// Puts the whole file in its place in one step.
    pub fn publish(self, target: &Path) -> Result<(), HubError> {
        fs::rename(&self.path, target).map_err(HubError::cache("replace", target))
    }

    pub fn delete(self) -> Result<(), HubError> {
        fs::remove_file(&self.path).map_err(HubError::cache("delete", &self.path))
    }
}
