//! Unpacks the photographs of a zip archive, and refuses one that is built to do harm: names that leave the
//! folder, entries that swell far beyond what photographs do.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use crate::DatasetError;
use crate::arrangement::write_error;
use crate::layout::is_photograph;

use super::is_companion;

/// Photographs are compressed already; deflate gains a few percent on them, on a flat drawing tenfold.
const MOST_SWELLING: u64 = 200;
/// Below this size swelling does not matter.
const SMALL_BYTES: u64 = 1 << 20;
const MOST_ENTRY_BYTES: u64 = 256 << 20;
const MOST_ENTRIES: usize = 2_000_000;

/// Unpacks into `folder` under numbered names; returns (path in the archive, file), sorted by path.
pub(super) fn unpack(
    archive: &Path,
    folder: &Path,
) -> Result<Vec<(String, PathBuf)>, DatasetError> {
    let failed = |reason: String| DatasetError::Archive {
        archive: archive.display().to_string(),
        reason,
    };
    let file = File::open(archive).map_err(|error| DatasetError::Read {
        path: archive.display().to_string(),
        reason: error.to_string(),
    })?;
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|error| {
        failed(format!(
            "it cannot be read as a zip archive ({error}); unpack it and give the folder"
        ))
    })?;
    if zip.len() > MOST_ENTRIES {
        return Err(failed(format!(
            "it has {} entries, more than {MOST_ENTRIES}; unpack it and give the folder",
            zip.len()
        )));
    }
    let mut files = Vec::new();
    for index in 0..zip.len() {
        let mut entry = zip
            .by_index(index)
            .map_err(|error| failed(format!("entry {index} cannot be read ({error})")))?;
        let Some(path) = entry
            .enclosed_name()
            .and_then(|path| path.to_str().map(|path| path.replace('\\', "/")))
        else {
            let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
            return Err(failed(format!(
                "the entry `{name}` points outside the archive or is not text; the archive is refused"
            )));
        };
        if !entry.is_file() || entry.is_symlink() || !(is_photograph(&path) || is_companion(&path))
        {
            continue;
        }
        if entry.encrypted() {
            return Err(failed(format!(
                "`{path}` is protected by a password; unpack the archive and give the folder"
            )));
        }
        let (size, packed) = (entry.size(), entry.compressed_size());
        if size > MOST_ENTRY_BYTES || (size > SMALL_BYTES && size / MOST_SWELLING > packed) {
            return Err(failed(format!(
                "`{path}` would swell from {packed} to {size} bytes, which photographs do not; the archive is refused"
            )));
        }
        let file = folder.join(format!("{index:08}"));
        write(&mut entry, size, &file).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => failed(format!(
                "`{path}` is damaged ({error}); download the archive again"
            )),
            _ => write_error(&file, error),
        })?;
        files.push((path, file));
    }
    files.sort();
    Ok(files)
}

/// Copies at most `size` bytes, the size the archive states: a header that lies gets no further.
fn write(entry: &mut impl Read, size: u64, file: &Path) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    let written = io::copy(&mut entry.take(size + 1), &mut out)?;
    if written > size {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it holds more bytes than it states",
        ));
    }
    io::Write::flush(&mut out)
}
