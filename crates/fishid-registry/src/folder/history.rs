//! The history of a model: one JSON object per line, only ever appended to.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use super::durable::{read_if_there, sync_folder};
use crate::error::RegistryError;
use crate::registry::Event;

/// The complete events in the file, and how many bytes they take.
///
/// An append cut off by a crash leaves an unfinished last line, which counts as not written; a
/// broken line anywhere else is damage.
fn read_complete(path: &Path) -> Result<(Vec<Event>, u64), RegistryError> {
    let text = read_if_there(path)?.unwrap_or_default();
    let mut events = Vec::new();
    let mut complete = 0;
    for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let end = complete + line.len();
        let parsed = line
            .strip_suffix(b"\n")
            .map(serde_json::from_slice::<Event>);
        match parsed {
            Some(Ok(event)) => events.push(event),
            // Without a newline, or the last one and unreadable: a power cut can leave zeros there.
            None => break,
            Some(Err(_)) if end == text.len() => break,
            Some(Err(error)) => {
                return Err(RegistryError::DamagedHistory {
                    path: path.to_owned(),
                    line: index + 1,
                    reason: error.to_string(),
                });
            }
        }
        complete = end;
    }
    Ok((events, complete as u64))
}

/// The complete events in the file, oldest first; none when there is no file.
pub(crate) fn read(path: &Path) -> Result<Vec<Event>, RegistryError> {
    let (mut events, _) = read_complete(path)?;
    // An entry that was lost with a damaged line and found again in a version's or alias's file is
    // appended where the file ends.
    events.sort_by_key(|event| event.seq);
    Ok(events)
}

/// Appends events after removing an unfinished last line. The caller holds the lock.
pub(crate) fn append(path: &Path, events: &[Event]) -> Result<(), RegistryError> {
    let (_, complete) = read_complete(path)?;
    let mut lines = Vec::new();
    for event in events {
        serde_json::to_writer(&mut lines, event)
            .map_err(|error| RegistryError::damaged(path, error.to_string()))?;
        lines.push(b'\n');
    }
    let is_new = !path.exists();
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(RegistryError::io("cannot open", path))?;
    file.set_len(complete)
        .map_err(RegistryError::io("cannot repair", path))?;
    file.seek(SeekFrom::End(0))
        .map_err(RegistryError::io("cannot append to", path))?;
    file.write_all(&lines)
        .map_err(RegistryError::io("cannot append to", path))?;
    file.sync_all()
        .map_err(RegistryError::io("cannot flush", path))?;
    match path.parent() {
        Some(folder) if is_new => sync_folder(folder),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use jiff::Timestamp;

    use super::*;
    use crate::registry::Action;

    fn event(seq: u64, action: Action, from: Option<u64>, to: u64) -> Event {
        Event {
            seq,
            time: Timestamp::UNIX_EPOCH,
            who: "Анна".to_owned(),
            why: "because\nit fits".to_owned(),
            action,
            alias: (action != Action::Published).then(|| "production".to_owned()),
            from: from.map(|number| number.to_string()),
            to: to.to_string(),
        }
    }

    #[test]
    fn an_append_cut_at_any_byte_is_not_written_and_is_repaired_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let first = event(1, Action::Published, None, 1);
        let second = event(2, Action::Promoted, None, 1);
        append(&path, std::slice::from_ref(&first)).unwrap();
        let start = fs::read(&path).unwrap().len();
        append(&path, std::slice::from_ref(&second)).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in start..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(
                read(&path).unwrap(),
                std::slice::from_ref(&first),
                "cut at {length}"
            );
            append(&path, std::slice::from_ref(&second)).unwrap();
            assert_eq!(fs::read(&path).unwrap(), whole, "cut at {length}");
        }
    }

    #[test]
    fn zeros_at_the_end_are_a_torn_line_and_anything_broken_before_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let events = [
            event(1, Action::Published, None, 1),
            event(2, Action::Promoted, None, 1),
        ];
        append(&path, &events).unwrap();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [&whole[..], &[0; 7], b"\n"].concat()).unwrap();
        assert_eq!(read(&path).unwrap(), events);
        fs::write(&path, [b"nonsense\n", &whole[..]].concat()).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(
            error.contains("history.jsonl is damaged: line 1"),
            "{error}"
        );
    }
}
