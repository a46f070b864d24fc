//! Which bundle a server proved last, kept on disk for a start without the registry. Knows nothing of how the
//! registry is reached, only its address, by which the record is found again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use fishid_bundle::Bundle;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The record of one model of one registry.
#[derive(Clone, Debug)]
pub struct LastServed {
    file: PathBuf,
}

/// What was served.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// Its number in the registry.
    pub version: String,
    /// The bundle's folder on this machine.
    pub bundle: PathBuf,
    /// The digest that the folder had when it was proven.
    pub bundle_digest: String,
}

impl LastServed {
    /// The record in `folder` for `model` of the registry at `url`. The address is hashed: it may hold a password.
    pub fn new(folder: &Path, url: &str, model: &str) -> Self {
        let name = Sha256::digest(format!("{}\n{model}", without_userinfo(url)));
        let name = format!("last-served-{}.json", &hex::encode(name)[..16]);
        Self {
            file: folder.join(name),
        }
    }

    /// Writes down that the bundle in `bundle` answers as `version`.
    pub fn write(&self, version: &str, bundle: &Path) -> anyhow::Result<()> {
        let served = Served {
            version: version.to_owned(),
            bundle: bundle.to_owned(),
            bundle_digest: Bundle::open(bundle)?.bundle_digest()?,
        };
        let part = self.file.with_extension("part");
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&part, serde_json::to_vec_pretty(&served)?)
            .and_then(|()| fs::rename(&part, &self.file))
            .with_context(|| self.file.display().to_string())
    }

    /// Whether something was written down.
    pub fn is_there(&self) -> bool {
        self.file.is_file()
    }

    /// What was served last, if its bundle is still what it was.
    pub fn read(&self) -> anyhow::Result<Option<Served>> {
        let text = match fs::read(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| self.file.display().to_string()),
        };
        let served: Served = serde_json::from_slice(&text)
            .with_context(|| format!("{} is damaged; delete it", self.file.display()))?;
        let digest = Bundle::open(&served.bundle)?.bundle_digest()?;
        anyhow::ensure!(
            digest == served.bundle_digest,
            "{} is no longer the bundle that was served; delete it",
            served.bundle.display()
        );
        Ok(Some(served))
    }
}

/// A new password is still the same registry.
fn without_userinfo(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use fishid_registry::conformance::tiny_bundle;

    use super::*;

    #[test]
    fn what_was_served_is_found_again_until_its_bundle_changes() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = tiny_bundle(&folder.path().join("bundle"), 1).unwrap();
        let url = "mlflow+http://anna:secret@host:5000";
        let record = LastServed::new(folder.path(), url, "fish");
        assert_eq!(record.read().unwrap(), None);
        record.write("3", bundle.dir()).unwrap();
        assert_eq!(record.read().unwrap().unwrap().version, "3");

        let same = LastServed::new(folder.path(), "mlflow+http://host:5000", "fish");
        assert!(same.read().unwrap().is_some(), "whoever asks");
        let other = LastServed::new(folder.path(), url, "crabs");
        assert_eq!(other.read().unwrap(), None, "another model");

        let photograph = bundle.dir().join("golden/photo.png");
        let mut permissions = fs::metadata(&photograph).unwrap().permissions();
        #[allow(clippy::permissions_set_readonly_false, reason = "in a scratch folder")]
        permissions.set_readonly(false);
        fs::set_permissions(&photograph, permissions).unwrap();
        fs::write(&photograph, "other").unwrap();
        let error = record.read().unwrap_err().to_string();
        assert!(error.contains("no longer the bundle"), "{error}");
    }

    #[test]
    fn a_torn_record_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let record = LastServed::new(folder.path(), "/registry", "fish");
        fs::write(&record.file, "{").unwrap();
        let error = format!("{:#}", record.read().unwrap_err());
        assert!(error.contains("is damaged; delete it"), "{error}");
    }
}
