//! The listing as a stream, for places with more files than anybody wants to hold in memory.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use super::{Listed, Storage};
use crate::error::StorageError;

/// Entries listed ahead of the reader: one answer of S3.
const AHEAD: usize = 1000;

/// One entry of a [`Walk`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Walked {
    /// A file.
    File(Listed),
    /// What could not be listed, and why; the others go on.
    Unlisted(String),
}

/// The files of a place as they are found. Dropping it ends the listing. After an error there is no more.
#[derive(Debug)]
pub struct Walk(Receiver<Result<Walked, StorageError>>);

impl Storage {
    /// Lists everything as [`Storage::list`] does, in no order, and never holds more than some thousand entries.
    pub fn walk(&self) -> Result<Walk, StorageError> {
        let (sender, entries) = sync_channel(AHEAD);
        let storage = self.clone();
        let list = move || {
            let ended = storage.list_each(&mut |walked| sender.send(Ok(walked)).is_ok());
            if let Err(error) = ended {
                // Nobody waits for it when the send fails.
                let _ = sender.send(Err(error));
            }
        };
        thread::Builder::new()
            .name("fishid-list".to_owned())
            .spawn(list)
            .map_err(|error| self.unlisted(format!("no thread could be started: {error}")))?;
        Ok(Walk(entries))
    }
}

impl Iterator for Walk {
    type Item = Result<Walked, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.recv().ok()
    }
}
