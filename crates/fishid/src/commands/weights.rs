//! `fishid weights`: download published weights, turn a safetensors file into a backbone.

use std::path::Path;

use anyhow::Context as _;
use fishid_network::BackboneFile;
use fishid_network::efficientnet::{
    Architecture, Checkpoint, Naming, PretrainedSet, write_backbone,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{print_json, print_line};
use crate::backbone::{assumption, prove, published};
use crate::cli::{WeightsCommand, WeightsFetchArgs, WeightsImportArgs};
use crate::config::Config;
use crate::exit::{BlameInput as _, InputError, Status};
use crate::home::Home;
use crate::progress::Story;
use crate::weights_hub::Downloads;

pub fn run(command: WeightsCommand, config: &Config, home: &Home) -> anyhow::Result<Status> {
    match command {
        WeightsCommand::Fetch(args) => fetch(&args, config, home),
        WeightsCommand::Import(args) => import(&args),
    }
}

fn fetch(args: &WeightsFetchArgs, config: &Config, home: &Home) -> anyhow::Result<Status> {
    let architecture: Architecture = args.arch.parse().blame_input()?;
    let set = published(architecture, args.set.as_deref())?;
    let downloads = Downloads::new(config, home);
    let file = downloads.fetch_file(set, None, &mut Story::default())?;
    // A verified file that is no such network is better known now than in the middle of a training run.
    crate::weights_hub::open_checkpoint(set, &file.path)?;
    if args.json {
        print_json(&json!({
            "arch": architecture.to_string(), "set": set.tag, "repository": set.repository(), "commit": file.commit,
            "path": file.path, "sha256": file.sha256.as_str(), "bytes": file.size, "licence": set.card().licence,
        }))?;
    } else {
        print_line(&format!(
            "{} ({} bytes, SHA-256 {})",
            file.path.display(),
            file.size,
            file.sha256.as_str()
        ))?;
    }
    Ok(Status::Done)
}

fn import(args: &WeightsImportArgs) -> anyhow::Result<Status> {
    let architecture: Architecture = args.arch.parse().blame_input()?;
    refuse_other_names(&args.out)?;
    refuse_foreign_json(&args.out)?;
    let name = args.file.display().to_string();
    let bytes = std::fs::read(&args.file)
        .with_context(|| name.clone())
        .blame_input()?;
    let set = match &args.set {
        Some(tag) => Some(published(architecture, Some(tag))?),
        None => None,
    };
    if set.is_some() && Checkpoint::naming(&bytes) == Some(Naming::Torchvision) {
        anyhow::bail!(InputError(format!(
            "{name} has torchvision's tensor names, and --set names one of timm's sets; leave --set out"
        )));
    }
    let mut checkpoint = Checkpoint::import(architecture, &bytes, set.map(PretrainedSet::card))
        .with_context(|| format!("{name} cannot be used"))
        .blame_input()?;
    if set.is_none()
        && let Some(assumed) = assumption(&checkpoint, &bytes)
    {
        eprintln!("{assumed}; --set names a published set whose card says otherwise");
    }
    let is_proven = match set.and_then(|set| set.sha256) {
        Some(published) if published == hex::encode(Sha256::digest(&bytes)) => true,
        Some(published) => anyhow::bail!(InputError(format!(
            "{name} is not the published set `{}`: its SHA-256 should be {published}. Leave --set out to import it as a \
             file of your own",
            checkpoint.card.set
        ))),
        None => false,
    };
    if is_proven {
        "imagenet".clone_into(&mut checkpoint.weights);
    } else {
        let file = args.file.file_name().unwrap_or_default();
        checkpoint.weights = file.to_string_lossy().into_owned();
        // The file may be anything; a licence that nobody checked is none.
        checkpoint.card.licence = None;
    }
    let files = write_backbone(&checkpoint);
    prove(&files, &name)?;
    files.save(&args.out)?;
    let backbone = BackboneFile::open(&args.out)?;
    if args.json {
        print_json(&json!({
            "backbone": args.out, "arch": architecture.to_string(), "sha256": backbone.digest,
            "weights_digest": checkpoint.digest(), "size": checkpoint.card.side,
            "embedding_width": checkpoint.network().embedding_width(),
        }))?;
    } else {
        print_line(&format!("{} and the JSON beside it", args.out.display()))?;
    }
    Ok(Status::Done)
}

/// The JSON goes beside the ONNX file under its name, so that name has to end in `.onnx`.
fn refuse_other_names(out: &Path) -> anyhow::Result<()> {
    if out.extension().is_some_and(|extension| extension == "onnx") {
        return Ok(());
    }
    anyhow::bail!(InputError(format!(
        "--out {}: name a file that ends in .onnx",
        out.display()
    )))
}

/// The JSON of an earlier import may be replaced; a file of another kind may not.
fn refuse_foreign_json(out: &Path) -> anyhow::Result<()> {
    let beside = out.with_extension("json");
    if beside.exists() && BackboneFile::open(out).is_err() {
        anyhow::bail!(InputError(format!(
            "{} is there already and belongs to no backbone; choose another --out",
            beside.display()
        )));
    }
    Ok(())
}
