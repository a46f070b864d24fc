//! A bundle becomes a version. The order is what makes a stop harmless: the files, the list of their digests,
//! `MLmodel` last, everything read back, the run ended, and only then the version, in one call that says
//! everything. What a stop leaves is a run that nobody serves; the next publication of the same bundle goes
//! on with it.

use std::path::Path;

use fishid_bundle::{Bundle, FileDigest, MANIFEST_FILE, MLMODEL_FILE, Manifest, digest_of_lines};

use super::aliases::Writer;
use super::artifacts::Artifacts;
use super::client::Client;
use super::error::MlflowError;
use super::events::{after, shortened};
use super::model::{BUNDLE_DIGEST, MODEL_DIGEST, NewVersion, PUBLISHED_AT, RemoteModel, WHO, WHY};
use super::transfer::Content;
use super::wire::{ModelVersion, RunInfo, Tag};
use super::{deletion, digests, experiment, tombstone};
use crate::error::RegistryError;
use crate::registry::PublishNote;
use crate::tracker::RunStatus;
use crate::{EXPERIMENT, RunId};

/// The folder of a run that holds the model, as `MLflow`'s own clients name it.
pub(crate) const MODEL_FOLDER: &str = "model";
/// The list of that folder's files, beside it.
pub(crate) const DIGESTS_FILE: &str = "model.sha256";

/// The run was made for this model by a publication, not by a pipeline.
const PUBLISHED_AS: &str = "fishid.published_as";

/// How often a publication begins anew because a deletion took the files of its run.
const MAX_RUNS: u32 = 3;

/// A bundle on its way to the server.
struct Parcel<'a> {
    bundle: &'a Bundle,
    files: Vec<FileDigest>,
    digest: String,
}

/// Publishes the bundle in `source`.
pub(crate) fn publish(
    model: &RemoteModel,
    source: &Path,
    note: &PublishNote,
) -> Result<ModelVersion, RegistryError> {
    let bundle = Bundle::open(source)?;
    bundle.verify()?;
    let files = bundle.file_digests()?;
    let parcel = Parcel {
        digest: digest_of_lines(&files),
        bundle: &bundle,
        files,
    };
    model.create_if_missing()?;
    let writer = Writer::enter(model)?;
    if let Some(version) = intact_version(model, &parcel.digest)? {
        return Ok(version);
    }
    for _ in 0..MAX_RUNS {
        if let Some(version) = publish_once(model, &writer, &parcel, note)? {
            return Ok(version);
        }
        tracing::warn!(
            model = model.name,
            "a deletion took the files of this publication: published again"
        );
    }
    Err(MlflowError::Damaged {
        what: format!("publication of {}", model.name),
        reason: format!("deletions took its files {MAX_RUNS} times"),
    }
    .into())
}

/// One publication; `None` where a deletion that began before it took files of its run.
fn publish_once(
    model: &RemoteModel,
    writer: &Writer<'_>,
    parcel: &Parcel<'_>,
    note: &PublishNote,
) -> Result<Option<ModelVersion>, RegistryError> {
    let bundle = parcel.bundle;
    let (run, is_own) = run_of(model, parcel, note)?;
    let artifacts = experiment::artifacts(&model.client, &run)?;
    upload(&artifacts, parcel)?;
    if is_own {
        experiment::update(&model.client, &run.run_id, RunStatus::Finished)?;
        // A damaged version of the same run has its files back.
        if let Some(version) = intact_version(model, &parcel.digest)? {
            return Ok(Some(version));
        }
    }
    let manifest = bundle.manifest();
    let source = format!("{}/{MODEL_FOLDER}", run.artifact_uri.trim_end_matches('/'));
    let published_at = after(writer.told.last_time());
    let mut tags: Vec<Tag> = note
        .tags_with(manifest)
        .into_iter()
        .map(|(key, value)| tag(&key, &shortened(&value)))
        .collect();
    tags.extend([
        tag(BUNDLE_DIGEST, &parcel.digest),
        tag(MODEL_DIGEST, &bundle.model_digest()?),
        tag(WHO, &shortened(&note.who)),
        tag(WHY, &shortened(&note.why)),
        tag(PUBLISHED_AT, &published_at.to_string()),
    ]);
    let new = NewVersion {
        source: &source,
        run: &run.run_id,
        tags: &tags,
        description: &description(manifest, &note.why),
    };
    let created = create(model, &parcel.digest, &new)?;
    tracing::info!(model = model.name, version = created.version, "published");
    if !has_its_files(model, &run, parcel)? {
        return if deletion::withdraw(model, &created.version)? {
            Ok(None)
        } else {
            Err(MlflowError::Damaged {
                what: format!("version {} of {}", created.version, model.name),
                reason: "a deletion took its files, and an alias names it already".to_owned(),
            }
            .into())
        };
    }
    first_of_its_digest(model, created, &parcel.digest).map(Some)
}

/// Whether the files of a version that is there by now are there, and stay. Asked after its creation: a
/// deletion that marks the run later sees the version and leaves them.
fn has_its_files(
    model: &RemoteModel,
    run: &RunInfo,
    parcel: &Parcel<'_>,
) -> Result<bool, RegistryError> {
    let found = experiment::run_with_tags(&model.client, &run.run_id)?;
    if found.is_none_or(|found| tombstone::is_marked(&found.data.tags)) {
        return Ok(false);
    }
    let artifacts = experiment::artifacts(&model.client, run)?;
    let there = artifacts.folder(MODEL_FOLDER)?.list()?;
    let is_there = |file: &FileDigest| there.get(&file.path) == Some(&file.bytes);
    Ok(parcel.files.iter().all(is_there) && artifacts.read(DIGESTS_FILE)?.is_some())
}

/// The lowest version with this digest whose files still are what was published. A damaged one is passed
/// over, so that publishing the bundle again is the remedy.
fn intact_version(
    model: &RemoteModel,
    digest: &str,
) -> Result<Option<ModelVersion>, RegistryError> {
    for version in model.of_digest(digest)? {
        // One that goes at any moment is no answer.
        if tombstone::is_marked(&version.tags) {
            continue;
        }
        if super::download::is_intact(model, &version)? {
            return Ok(Some(version));
        }
        tracing::warn!(
            model = model.name,
            version = version.version,
            "passed over: its files are damaged"
        );
    }
    Ok(None)
}

/// The run that takes the files: the tracked one, else one that a stopped publication of this bundle left,
/// else a new one. The second value is whether this publication ends it.
fn run_of(
    model: &RemoteModel,
    parcel: &Parcel<'_>,
    note: &PublishNote,
) -> Result<(RunInfo, bool), RegistryError> {
    let client = &model.client;
    if let Some(RunId(id)) = &note.run {
        return match experiment::run_with_tags(client, id)? {
            Some(run) if tombstone::is_marked(&run.data.tags) => {
                Err(MlflowError::RunBeingEmptied { run: id.clone() }.into())
            }
            Some(run) => Ok((run.info, false)),
            None => Err(RegistryError::UnknownRemoteRun {
                run: id.clone(),
                server: client.server().to_owned(),
            }),
        };
    }
    let experiment_id = experiment::experiment(client, EXPERIMENT)?;
    let filter = format!(
        "tags.{BUNDLE_DIGEST} = '{}' and tags.`{PUBLISHED_AS}` = '{}'",
        parcel.digest, model.name
    );
    if let Some(run) = experiment::find(client, &experiment_id, &filter)? {
        return Ok((run, true));
    }
    let mut tags: Vec<Tag> = note
        .tags_with(parcel.bundle.manifest())
        .into_iter()
        .map(|(key, value)| tag(&key, &value))
        .collect();
    tags.extend([
        tag(BUNDLE_DIGEST, &parcel.digest),
        tag(PUBLISHED_AS, &model.name),
        tag("mlflow.user", &note.who),
        tag("mlflow.source.name", "fishid registry publish"),
    ]);
    let name = format!("{} {}", model.name, &parcel.digest[..12]);
    Ok((
        experiment::start(client, &experiment_id, &name, &tags)?,
        true,
    ))
}

/// Puts every file that is not there yet, and reads back what was put.
fn upload(artifacts: &Artifacts, parcel: &Parcel<'_>) -> Result<(), RegistryError> {
    let folder = artifacts.folder(MODEL_FOLDER)?;
    let there = folder.list()?;
    // What a stopped publication of another build left would be loaded with the model.
    for stranger in there.keys() {
        if !parcel.files.iter().any(|file| file.path == *stranger) {
            remove_stranger(&folder, stranger)?;
        }
    }
    // A folder with MLmodel is a model to MLflow's loaders and its page.
    let is_last = |file: &&FileDigest| file.path == MLMODEL_FILE;
    let first = parcel.files.iter().filter(|file| !is_last(file));
    let last = parcel.files.iter().filter(is_last);
    for file in first {
        put(&folder, parcel, file, there.get(&file.path).copied())?;
    }
    let list = digests::write(&parcel.files);
    artifacts.put(DIGESTS_FILE, Content::Bytes(list.into()))?;
    for file in last {
        put(&folder, parcel, file, there.get(&file.path).copied())?;
    }
    Ok(())
}

/// Readers go by the list of digests, so a stranger that cannot be removed does no harm.
fn remove_stranger(folder: &Artifacts, path: &str) -> Result<(), RegistryError> {
    match folder.delete(path) {
        Err(RegistryError::Mlflow(error)) if error.is_internal() => {
            tracing::warn!(%error, path, "a file of an earlier publication stays");
            Ok(())
        }
        outcome => outcome,
    }
}

fn put(
    folder: &Artifacts,
    parcel: &Parcel<'_>,
    file: &FileDigest,
    there: Option<u64>,
) -> Result<(), RegistryError> {
    let is_there = || -> Result<bool, RegistryError> {
        let found = folder.digest(&file.path)?;
        Ok(found.is_some_and(|found| found.sha256 == file.sha256))
    };
    if there == Some(file.bytes) && is_there()? {
        return Ok(());
    }
    let path = parcel.bundle.dir().join(&file.path);
    folder.put_file(&file.path, &path)?;
    if is_there()? {
        return Ok(());
    }
    // Either the file on this machine is another one by now, or the server's storage lost something.
    if fishid_bundle::sha256_file(&path)?.0 != file.sha256 {
        return Err(RegistryError::ChangedMeanwhile { path });
    }
    Err(MlflowError::Damaged {
        what: format!("uploaded file {}", file.path),
        reason: "it reads back with another content than was sent".to_owned(),
    }
    .into())
}

/// Creates the version once, also when the answer is lost.
fn create(
    model: &RemoteModel,
    digest: &str,
    new: &NewVersion<'_>,
) -> Result<ModelVersion, MlflowError> {
    match model.create_version(new) {
        Err(error) if error.is_uncertain() => {
            let found = model.of_digest(digest)?;
            match found.into_iter().find(|version| version.run_id == new.run) {
                Some(version) => Ok(version),
                None => model.create_version(new),
            }
        }
        outcome => outcome,
    }
}

/// One digest is one version: of two that were published at the same moment the lower one stays.
fn first_of_its_digest(
    model: &RemoteModel,
    created: ModelVersion,
    digest: &str,
) -> Result<ModelVersion, RegistryError> {
    for version in model.of_digest(digest)? {
        if version.number() >= created.number() {
            break;
        }
        let stays = !tombstone::is_marked(&version.tags);
        if stays && super::download::is_intact(model, &version)? {
            // Whoever promoted it already keeps it.
            return Ok(if deletion::withdraw(model, &created.version)? {
                version
            } else {
                created
            });
        }
    }
    Ok(created)
}

/// What a person reads on the version's page.
fn description(manifest: &Manifest, why: &str) -> String {
    let mut lines = vec![format!(
        "{} species on {}, {} photographs. {}",
        manifest.classes.len(),
        manifest.backbone.name,
        manifest.data.n_photographs,
        shortened(why)
    )];
    let test = manifest.evaluation.get("test");
    let number = |name: &str| test.and_then(|test| test.get(name)?.as_f64());
    if let (Some(accuracy), Some(macro_f1)) = (number("accuracy"), number("macro_f1")) {
        lines.push(format!(
            "Test: accuracy {accuracy:.3}, macro-F1 {macro_f1:.3}."
        ));
    }
    if let Some(reason) = &manifest.demonstration {
        lines.push(reason.clone());
    }
    lines.push(format!(
        "Input `image`: uint8 RGB [n, {}, {}, 3]; classes and preprocessing: {MANIFEST_FILE}.",
        manifest.preprocessing.height, manifest.preprocessing.width
    ));
    lines.join("\n\n")
}

pub(crate) fn tag(key: &str, value: &str) -> Tag {
    Tag {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

/// Whether two publications share the files of one run is asked before such files are deleted.
pub(crate) fn shares_files(client: &Client, version: &ModelVersion) -> Result<bool, MlflowError> {
    let filter = format!("run_id='{}'", version.run_id);
    let others = super::model::search_versions(client, &filter)?;
    Ok(others
        .iter()
        .any(|other| (&other.name, &other.version) != (&version.name, &version.version)))
}
