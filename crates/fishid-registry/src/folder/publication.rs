//! Publishing a bundle: verify, copy under the lock, one rename.

use std::path::Path;

use fishid_bundle::{Bundle, digest_of_lines};
use jiff::Timestamp;

use super::durable::{copy, create_folders, sync_folder};
use super::model::{ModelFolder, StoredVersion};
use super::writer::Writer;
use crate::error::RegistryError;
use crate::registry::PublishNote;

/// Publishes the bundle in `source` and returns the number of its version.
pub(crate) fn publish(
    model: &ModelFolder,
    source: &Path,
    note: &PublishNote,
) -> Result<u64, RegistryError> {
    let bundle = Bundle::open(source)?;
    bundle.verify()?;
    let files = bundle.file_digests()?;
    let mut stored = StoredVersion {
        seq: 0,
        created_at: Timestamp::now(),
        who: note.who.clone(),
        why: note.why.clone(),
        bundle_digest: digest_of_lines(&files),
        model_digest: bundle.model_digest()?,
        tags: note.tags_with(bundle.manifest()),
        run: note.run.clone(),
        files,
    };
    // Copied under the lock: it takes seconds, and whoever waits may find the digest there.
    let writer = Writer::lock(model)?;
    if let Some(number) = intact_version(model, &stored.bundle_digest)? {
        return Ok(number);
    }
    let number = writer.next_number()?;
    stored.seq = writer.next_seq()?;
    stored.created_at = Timestamp::now();
    copy_and_commit(model, &writer, source, &stored, number)?;
    tracing::info!(model = model.name(), version = number, "published");
    Ok(number)
}

/// The lowest version with this digest whose files still are what was published. A damaged one is
/// passed over, so that publishing the bundle again is the remedy.
fn intact_version(model: &ModelFolder, digest: &str) -> Result<Option<u64>, RegistryError> {
    for number in model.numbers()? {
        let is_same = model
            .stored(number)
            .is_ok_and(|stored| stored.bundle_digest == digest);
        if is_same && model.verify(number).is_ok() {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

fn copy_and_commit(
    model: &ModelFolder,
    writer: &Writer<'_>,
    source: &Path,
    stored: &StoredVersion,
    number: u64,
) -> Result<(), RegistryError> {
    let staged = model.staging().join(number.to_string());
    let target = staged.join("bundle");
    create_folders(&target)?;
    let mut folders = vec![target.clone()];
    for file in &stored.files {
        let path = target.join(&file.path);
        if let Some(folder) = path.parent()
            && !folders.iter().any(|known| known == folder)
        {
            create_folders(folder)?;
            // A parent that only holds folders has entries to flush as well.
            folders.extend(
                folder
                    .ancestors()
                    .take_while(|up| *up != target)
                    .map(Path::to_owned),
            );
        }
        copy(&source.join(&file.path), &path, file)?;
    }
    for folder in &folders {
        sync_folder(folder)?;
    }
    writer.commit_version(&staged, stored, number)
}
