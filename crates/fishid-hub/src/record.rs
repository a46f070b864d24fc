//! What was downloaded, from where and when: kept beside the file, compared with ever after.

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::declaration::Declaration;
use crate::digest::Sha256Hex;
use crate::error::HubError;
use crate::file::HubFile;

/// The record of one download. Fields are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub repository: String,
    /// As asked for.
    pub revision: String,
    pub file: String,
    /// As the hub declared it; a hub may declare none.
    pub commit: Option<String>,
    pub sha256: Sha256Hex,
    pub size: u64,
    /// Where the hub was asked.
    pub url: String,
    pub downloaded_at: Timestamp,
}

impl Record {
    /// Holds a request against what was downloaded first.
    pub fn agrees_with_request(&self, file: &HubFile, path: &Path) -> Result<(), HubError> {
        match &file.sha256 {
            Some(stated) if *stated != self.sha256 => Err(HubError::Changed {
                file: file.to_string(),
                recorded: self.sha256.clone(),
                now: stated.clone(),
                by: "now asked for is",
                record: path.to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Holds what a hub declares now against what was downloaded first.
    ///
    /// A branch may move to another commit as long as the file stays the same.
    pub fn agrees_with_hub(
        &self,
        file: &HubFile,
        declared: &Declaration,
        path: &Path,
    ) -> Result<(), HubError> {
        match &declared.sha256 {
            Some(now) if *now != self.sha256 => Err(HubError::Changed {
                file: file.to_string(),
                recorded: self.sha256.clone(),
                now: now.clone(),
                by: "the hub now declares",
                record: path.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}
