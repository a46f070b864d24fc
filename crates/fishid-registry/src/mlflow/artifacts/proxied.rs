//! Files that the server passes through, wherever it keeps them itself.

use std::collections::BTreeMap;
use std::path::Path;

use reqwest::{Method, Url};

use super::super::client::{Client, Request};
use super::super::error::MlflowError;
use super::super::transfer::{Content, Sink, TransferError, download, upload};
use super::super::wire::{FilesAnswer, ListedFile};
use crate::error::RegistryError;
use crate::names::check_artifact;

/// Folders below folders that are listed; a bundle has one level.
const MAX_DEPTH: usize = 8;

/// A folder of artifacts.
#[derive(Clone, Debug)]
pub(crate) struct Proxied {
    client: Client,
    /// Below the server's artifact root, without slashes at its ends.
    root: String,
}

impl Proxied {
    /// The folder at `uri`; none where the URI leads elsewhere.
    pub fn at(client: &Client, uri: &str) -> Option<Self> {
        Some(Self {
            client: client.clone(),
            root: behind_the_proxy(uri)?.trim_matches('/').to_owned(),
        })
    }

    /// A folder inside this one.
    pub fn folder(&self, name: &str) -> Self {
        Self {
            client: self.client.clone(),
            root: format!("{}/{name}", self.root),
        }
    }

    /// Puts a file in place of whatever is there.
    pub fn put(&self, path: &str, content: Content) -> Result<(), RegistryError> {
        let request = self.file(Method::PUT, path)?;
        upload(&self.client, request, content).map_err(|error| self.failed(path, error))
    }

    /// Puts a file of this machine in place of whatever is there.
    pub fn put_file(&self, path: &str, file: &Path) -> Result<(), RegistryError> {
        let content = Content::of_file(file).map_err(RegistryError::io("cannot read", file))?;
        let request = self.file(Method::PUT, path)?;
        upload(&self.client, request, content).map_err(|error| match error {
            TransferError::Io(source) => RegistryError::io("cannot read", file)(source),
            TransferError::Mlflow(error) => error.into(),
        })
    }

    /// Appends a file to what `sink` has of it; `None` where there is none.
    pub fn download(&self, path: &str, sink: Sink) -> Result<Option<Sink>, RegistryError> {
        let request = self.file(Method::GET, path)?;
        match download(&self.client, request, sink) {
            Ok(sink) => Ok(Some(sink)),
            Err(TransferError::Mlflow(error)) if error.is_missing() => Ok(None),
            // Before 3.x a file that is not there is an error of the server's.
            Err(TransferError::Mlflow(error)) if error.is_internal() && !self.has(path)? => {
                Ok(None)
            }
            Err(error) => Err(self.failed(path, error)),
        }
    }

    /// Every file in this folder and in those inside it, with its size.
    pub fn list(&self) -> Result<BTreeMap<String, u64>, RegistryError> {
        let mut files = BTreeMap::new();
        let mut folders = vec![(String::new(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            for entry in self.entries(&folder)? {
                // The answer's paths are relative to the folder asked for; a server that gives whole ones
                // is told by its last part all the same.
                let name = entry.path.rsplit('/').next().unwrap_or_default();
                let path = match folder.as_str() {
                    "" => name.to_owned(),
                    folder => format!("{folder}/{name}"),
                };
                if entry.is_dir && depth < MAX_DEPTH {
                    folders.push((path, depth + 1));
                } else if !entry.is_dir {
                    files.insert(path, entry.file_size);
                }
            }
        }
        Ok(files)
    }

    /// Whether the server lists a file.
    fn has(&self, path: &str) -> Result<bool, RegistryError> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let is_it = |entry: &ListedFile| entry.path.rsplit('/').next() == Some(name);
        Ok(self.entries(folder)?.iter().any(is_it))
    }

    fn entries(&self, folder: &str) -> Result<Vec<ListedFile>, RegistryError> {
        let mut url = self.client.inner().url(&PROXY, "artifacts");
        let path = format!("{}/{folder}", self.root);
        url.query_pairs_mut()
            .append_pair("path", path.trim_end_matches('/'));
        let request = Self::request(Method::GET, url, "the list of artifacts");
        let body = self.client.bytes(request)?;
        let answer: FilesAnswer =
            serde_json::from_slice(&body).map_err(|error| MlflowError::BrokenAnswer {
                server: self.client.server().to_owned(),
                call: "the list of artifacts".to_owned(),
                reason: error.to_string(),
            })?;
        Ok(answer.files)
    }

    /// Deletes a file or a folder; one that is gone already is no error. Servers before 3.x delete folders
    /// only, where they keep artifacts in one of their own.
    pub fn delete(&self, path: &str) -> Result<(), RegistryError> {
        let request = self.file(Method::DELETE, path)?;
        match self.client.bytes(request) {
            Err(error) if !error.is_missing() => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn file(&self, method: Method, path: &str) -> Result<Request, RegistryError> {
        check_artifact(path)?;
        let url = self
            .client
            .inner()
            .url(&PROXY, &format!("artifacts/{}/{path}", self.root));
        Ok(Self::request(method, url, path))
    }

    fn request(method: Method, url: Url, what: &str) -> Request {
        Request {
            call: format!("{method} of {what}"),
            method,
            url,
            body: None,
            // A file put twice, or deleted twice, is the same file.
            idempotent: true,
        }
    }

    fn failed(&self, path: &str, error: TransferError) -> RegistryError {
        match error {
            TransferError::Mlflow(error) => error.into(),
            TransferError::Io(source) => {
                let path = Path::new(&self.root).join(path);
                RegistryError::io("cannot transfer", &path)(source)
            }
        }
    }
}

/// Where the server passes files through.
const PROXY: [&str; 3] = ["api", "2.0", "mlflow-artifacts"];

/// The path behind the proxy, if that is where `uri` points. Some servers put a host there, which is their
/// own name for themselves.
fn behind_the_proxy(uri: &str) -> Option<&str> {
    let rest = uri.strip_prefix("mlflow-artifacts:")?;
    match rest.strip_prefix("//") {
        Some(with_host) => with_host.split_once('/').map(|(_, path)| path),
        None => Some(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_behind_the_proxy_is_found_with_and_without_a_host() {
        for (uri, path) in [
            ("mlflow-artifacts:/1/a/artifacts", Some("/1/a/artifacts")),
            ("mlflow-artifacts://host:5/1/a", Some("1/a")),
            ("mlflow-artifacts:///1/a", Some("1/a")),
            ("s3://bucket/1", None),
            ("/srv/artifacts/1", None),
        ] {
            assert_eq!(behind_the_proxy(uri), path, "{uri}");
        }
    }
}
