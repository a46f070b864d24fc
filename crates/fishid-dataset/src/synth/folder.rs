//! The folder that a drawn data set is written to: claimed by a marker, files whole or absent.
//! Knows nothing of what is drawn.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{REVISION, SynthError, SynthRequest};

/// The marker by which [`crate`] tells drawn fish from photographs.
const MARKER: &str = "synthetic.json";

/// What the marker says. No times: the same request leaves the same bytes.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    generator: String,
    note: String,
    revision: u32,
    seed: u64,
    n_species: usize,
    per_class: usize,
}

impl Marker {
    fn of(request: &SynthRequest) -> Self {
        Self {
            generator: "fishid data synth".into(),
            note: "procedurally drawn fish, not photographs".into(),
            revision: REVISION,
            seed: request.seed,
            n_species: request.n_species,
            per_class: request.per_class,
        }
    }

    fn in_words(&self) -> String {
        let Self {
            revision,
            seed,
            n_species,
            per_class,
            ..
        } = self;
        format!("{n_species} species, {per_class} per class, seed {seed}, revision {revision}")
    }
}

/// A folder that belongs to one request.
pub(super) struct Folder {
    dir: PathBuf,
}

impl Folder {
    /// Makes the folder and marks it; refuses one with anything else in it.
    pub(super) fn claim(request: &SynthRequest) -> Result<Self, SynthError> {
        let dir = request.dir.clone();
        fs::create_dir_all(&dir).map_err(|source| SynthError::Io {
            path: dir.clone(),
            source,
        })?;
        let asked = Marker::of(request);
        let path = dir.join(MARKER);
        let folder = Self { dir };
        match fs::read(&path) {
            Ok(bytes) => match serde_json::from_slice::<Marker>(&bytes) {
                Ok(found) if found == asked => return Ok(folder),
                found => {
                    let found = found.map_or_else(
                        |_| "its synthetic.json is broken".into(),
                        |found| found.in_words(),
                    );
                    return Err(SynthError::OtherRequest {
                        dir: folder.dir,
                        found,
                        asked: asked.in_words(),
                    });
                }
            },
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(SynthError::Io { path, source }),
        }
        let mut entries = fs::read_dir(&folder.dir).map_err(|source| folder.failed("", source))?;
        if entries.next().is_some() {
            return Err(SynthError::ForeignFolder { dir: folder.dir });
        }
        let mut text = serde_json::to_vec_pretty(&asked)
            .map_err(|error| folder.failed(MARKER, error.into()))?;
        text.push(b'\n');
        folder.write(MARKER, &text)?;
        Ok(folder)
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.dir.join(path).is_file()
    }

    /// Writes beside and renames, so that a file is whole or absent.
    pub(super) fn write(&self, path: &str, bytes: &[u8]) -> Result<(), SynthError> {
        let whole = self.dir.join(path);
        let part = whole.with_extension("part");
        let written = whole.parent().map_or(Ok(()), fs::create_dir_all);
        written
            .and_then(|()| fs::write(&part, bytes))
            .and_then(|()| fs::rename(&part, &whole))
            .map_err(|source| self.failed(path, source))
    }

    fn failed(&self, path: impl AsRef<Path>, source: std::io::Error) -> SynthError {
        SynthError::Io {
            path: self.dir.join(path),
            source,
        }
    }
}
