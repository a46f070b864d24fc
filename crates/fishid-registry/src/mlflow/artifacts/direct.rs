//! Files in S3 that the server does not pass through: `mlflow server --no-serve-artifacts`, with `s3://` as root.

use std::collections::BTreeMap;
use std::path::Path;

use fishid_storage::{Storage, StorageError};

use super::super::client::Client;
use super::super::transfer::{Content, Sink};
use crate::error::RegistryError;
use crate::names::check_artifact;

/// A folder of artifacts.
#[derive(Clone, Debug)]
pub(crate) struct Direct {
    storage: Storage,
    /// Its owner, for messages.
    what: String,
}

impl Direct {
    /// The folder at an `s3://` URI.
    pub fn at(client: &Client, uri: &str, what: &str) -> Result<Self, RegistryError> {
        let settings = client.inner().storage.iter();
        let settings = settings.map(|(name, value)| (name.clone(), value.reveal().to_owned()));
        let storage = Storage::open(uri.trim_end_matches('/'), &settings.collect());
        Ok(Self {
            storage: storage.map_err(|source| RegistryError::files(what, source))?,
            what: what.to_owned(),
        })
    }

    pub fn folder(&self, name: &str) -> Result<Self, RegistryError> {
        Ok(Self {
            storage: self
                .storage
                .below(name)
                .map_err(|error| self.failed(error))?,
            what: self.what.clone(),
        })
    }

    pub fn put(&self, path: &str, content: &Content) -> Result<(), RegistryError> {
        check_artifact(path)?;
        let stored = match content {
            Content::Bytes(bytes) => self.storage.put(path, bytes.clone()),
            Content::File(file, _) => self.storage.put_file(path, file),
        };
        stored.map(drop).map_err(|error| self.failed(error))
    }

    pub fn put_file(&self, path: &str, file: &Path) -> Result<(), RegistryError> {
        check_artifact(path)?;
        let stored = self.storage.put_file(path, file);
        stored.map(drop).map_err(|error| self.failed(error))
    }

    pub fn download(&self, path: &str, mut sink: Sink) -> Result<Option<Sink>, RegistryError> {
        check_artifact(path)?;
        let from = sink.length();
        let mut take = |chunk: &[u8]| sink.accept(chunk);
        let found = self.storage.read_from(path, from, &mut take);
        let found = found.map_err(|error| self.failed(error))?;
        Ok(found.map(|_| sink))
    }

    pub fn list(&self) -> Result<BTreeMap<String, u64>, RegistryError> {
        let listing = self.storage.list().map_err(|error| self.failed(error))?;
        let files = listing.files.into_iter();
        Ok(files.map(|file| (file.path, file.size)).collect())
    }

    /// A file, or a folder with all that is in it.
    pub fn delete(&self, path: &str) -> Result<(), RegistryError> {
        check_artifact(path)?;
        let within = self.folder(path)?;
        for file in within.list()?.keys() {
            let deleted = within.storage.delete(file);
            deleted.map_err(|error| self.failed(error))?;
        }
        let deleted = self.storage.delete(path);
        deleted.map_err(|error| self.failed(error))
    }

    fn failed(&self, source: StorageError) -> RegistryError {
        RegistryError::files(&self.what, source)
    }
}
