//! The answers so far, one JSON object a line, each written the moment it is there.
//!
//! A process that is killed loses none; a machine that loses its power loses what the last seconds brought, and
//! whatever the disk made of the file's end is cut off at the next start.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};

use super::Row;

/// Between two times that the disk is told to keep what it has.
const SYNC_EVERY: Duration = Duration::from_secs(10);

/// Names of the photographs that are done: 16 bytes each, whatever their length.
#[derive(Debug, Default)]
pub struct Finished(Vec<[u8; 16]>);

impl Finished {
    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this photograph is done.
    pub fn has(&self, path: &str) -> bool {
        self.0.binary_search(&name(path)).is_ok()
    }
}

fn name(path: &str) -> [u8; 16] {
    let digest = Sha256::digest(path.as_bytes());
    let mut name = [0; 16];
    name.copy_from_slice(&digest[..16]);
    name
}

/// What is looked at of a line to know that its photograph is done.
#[derive(Deserialize)]
struct Line {
    path: String,
    error_kind: Option<IgnoredAny>,
}

/// Rows and those of them without an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) n: usize,
    pub(super) n_refused: usize,
}

pub(super) struct Journal {
    file: File,
    counts: Counts,
    synced: Instant,
}

impl Journal {
    /// Opens or begins a journal: (it, what is in it).
    pub(super) fn open(path: &Path) -> io::Result<(Self, Finished)> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let (mut counts, mut names, mut whole_bytes) = (Counts::default(), Vec::new(), 0);
        let mut lines = BufReader::new(&mut file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let n_bytes = lines.read_until(b'\n', &mut line)?;
            // What was not written to its end, or is no longer what was written, is done again.
            if line.last() != Some(&b'\n') {
                break;
            }
            let Ok(found) = serde_json::from_slice::<Line>(&line) else {
                break;
            };
            whole_bytes += n_bytes as u64;
            counts.n += 1;
            counts.n_refused += usize::from(found.error_kind.is_some());
            names.push(name(&found.path));
        }
        file.set_len(whole_bytes)?;
        file.seek(SeekFrom::Start(whole_bytes))?;
        names.sort_unstable();
        names.shrink_to_fit();
        let journal = Self {
            file,
            counts,
            synced: Instant::now(),
        };
        Ok((journal, Finished(names)))
    }

    pub(super) fn add(&mut self, row: &Row) -> io::Result<()> {
        let mut line = serde_json::to_vec(row)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.counts.n += 1;
        self.counts.n_refused += usize::from(row.reply.is_none());
        if self.synced.elapsed() >= SYNC_EVERY {
            self.sync()?;
        }
        Ok(())
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.synced = Instant::now();
        self.file.sync_data()
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }
}

/// The rows of a journal, in the order they came.
pub(super) fn rows(path: &Path) -> io::Result<impl Iterator<Item = io::Result<Row>>> {
    let mut lines = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    Ok(std::iter::from_fn(move || {
        line.clear();
        match lines.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_slice(&line).map_err(io::Error::from)),
            Err(error) => Some(Err(error)),
        }
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::scoring::Refusal;

    fn row(path: &str) -> Row {
        Row::refused(path.to_owned(), Refusal::unreadable("it is gone"))
    }

    #[test]
    fn wherever_a_journal_is_torn_the_whole_rows_before_are_kept_and_it_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let (mut journal, _) = Journal::open(&path).unwrap();
        for name in ["a.jpg", "щука\n.jpg", "c.jpg"] {
            journal.add(&row(name)).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        let ends: Vec<usize> = (0..whole.len()).filter(|&n| whole[n] == b'\n').collect();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let n = ends.iter().filter(|&&end| end < cut).count();
            let (mut journal, finished) = Journal::open(&path).unwrap();
            assert_eq!((finished.len(), journal.counts().n), (n, n), "cut at {cut}");
            assert_eq!(finished.has("a.jpg"), n > 0);
            assert_eq!(finished.has("щука\n.jpg"), n > 1);
            journal.add(&row("d.jpg")).unwrap();
            let rows: Vec<Row> = rows(&path).unwrap().map(Result::unwrap).collect();
            assert_eq!(rows.len(), n + 1);
            assert_eq!(rows[n].path, "d.jpg");
        }
    }

    #[test]
    fn what_a_disk_left_of_the_end_after_a_power_cut_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let (mut journal, _) = Journal::open(&path).unwrap();
        journal.add(&row("a.jpg")).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let n_whole = bytes.len();
        bytes.extend_from_slice(&[0; 4096]);
        bytes.extend_from_slice(b"\n{}\n");
        std::fs::write(&path, &bytes).unwrap();
        let (_, finished) = Journal::open(&path).unwrap();
        assert_eq!(finished.len(), 1);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), n_whole as u64);
    }
}
