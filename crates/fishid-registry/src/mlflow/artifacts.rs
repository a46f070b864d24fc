//! The files of a run, wherever its artifact URI says they are: behind the server's proxy or in S3 itself.
//! Knows no model; what the files mean is the callers' matter.

mod direct;
mod proxied;

use std::collections::BTreeMap;
use std::path::Path;

use super::client::Client;
use super::error::MlflowError;
use super::transfer::{Content, Sink};
use crate::error::RegistryError;
use direct::Direct;
use proxied::Proxied;

/// Files that are read into memory are lists of some dozen files.
const MAX_SMALL_FILE: u64 = 4 * 1024 * 1024;

/// A folder of artifacts.
#[derive(Clone, Debug)]
pub(crate) enum Artifacts {
    Proxied(Proxied),
    Direct(Direct),
}

/// What a file's content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content256 {
    pub sha256: String,
    pub bytes: u64,
}

impl Artifacts {
    /// The folder at `uri`; `what` names its owner in messages.
    pub fn at(client: &Client, uri: &str, what: &str) -> Result<Self, RegistryError> {
        if let Some(proxied) = Proxied::at(client, uri) {
            return Ok(Self::Proxied(proxied));
        }
        if uri.starts_with("s3://") {
            return Ok(Self::Direct(Direct::at(client, uri, what)?));
        }
        let scheme = uri.split_once(':').map_or("file", |(scheme, _)| scheme);
        Err(MlflowError::ArtifactScheme {
            what: what.to_owned(),
            scheme: scheme.to_owned(),
        }
        .into())
    }

    /// A folder inside this one.
    pub fn folder(&self, name: &str) -> Result<Self, RegistryError> {
        Ok(match self {
            Self::Proxied(artifacts) => Self::Proxied(artifacts.folder(name)),
            Self::Direct(artifacts) => Self::Direct(artifacts.folder(name)?),
        })
    }

    /// Puts a file in place of whatever is there.
    pub fn put(&self, path: &str, content: Content) -> Result<(), RegistryError> {
        match self {
            Self::Proxied(artifacts) => artifacts.put(path, content),
            Self::Direct(artifacts) => artifacts.put(path, &content),
        }
    }

    /// Puts a file of this machine in place of whatever is there.
    pub fn put_file(&self, path: &str, file: &Path) -> Result<(), RegistryError> {
        match self {
            Self::Proxied(artifacts) => artifacts.put_file(path, file),
            Self::Direct(artifacts) => artifacts.put_file(path, file),
        }
    }

    /// Reads a file from end to end for its digest; `None` where there is none.
    pub fn digest(&self, path: &str) -> Result<Option<Content256>, RegistryError> {
        let sink = self.download(path, Sink::digest())?;
        Ok(sink.map(|sink| Content256 {
            sha256: sink.sha256(),
            bytes: sink.length(),
        }))
    }

    /// A small file's bytes; `None` where there is none, an error where it is no small file.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, RegistryError> {
        let sink = self.download(path, Sink::memory(MAX_SMALL_FILE))?;
        Ok(sink.map(Sink::into_bytes))
    }

    /// Appends a file to what `sink` has of it; `None` where there is none.
    pub fn download(&self, path: &str, sink: Sink) -> Result<Option<Sink>, RegistryError> {
        match self {
            Self::Proxied(artifacts) => artifacts.download(path, sink),
            Self::Direct(artifacts) => artifacts.download(path, sink),
        }
    }

    /// Every file in this folder and in those inside it, with its size.
    pub fn list(&self) -> Result<BTreeMap<String, u64>, RegistryError> {
        match self {
            Self::Proxied(artifacts) => artifacts.list(),
            Self::Direct(artifacts) => artifacts.list(),
        }
    }

    /// Deletes a file or a folder; one that is gone already is no error. Servers before 3.x that pass files
    /// through delete folders only, where they keep artifacts in one of their own.
    pub fn delete(&self, path: &str) -> Result<(), RegistryError> {
        match self {
            Self::Proxied(artifacts) => artifacts.delete(path),
            Self::Direct(artifacts) => artifacts.delete(path),
        }
    }
}
