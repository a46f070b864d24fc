//! `fishid weights`: download published weights, turn a safetensors file into a backbone.

use std::path::Path;

use anyhow::Context as _;
use fishid_network::BackboneFile;
use fishid_network::efficientnet::{Architecture, Checkpoint, Naming, write_backbone};
use serde_json::json;

use super::{print_json, print_line};
use crate::backbone::published;
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
    let downloads = Downloads::new(config, home)?;
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
    let name = args.file.display().to_string();
    let bytes = std::fs::read(&args.file)
        .with_context(|| name.clone())
        .blame_input()?;
    let card = match &args.set {
        Some(tag) => Some(published(architecture, Some(tag))?.card()),
        None => None,
    };
    let mut checkpoint = Checkpoint::import(architecture, &bytes, card)
        .with_context(|| format!("{name} cannot be used"))
        .blame_input()?;
    if args.set.is_none() && Checkpoint::naming(&bytes) == Some(Naming::Timm) {
        let card = &checkpoint.card;
        eprintln!(
            "assumed: photographs of {0} x {0} pixels, ImageNet's mean and deviation, epsilon {1}; --set names a published set \
             whose card says otherwise",
            card.side, card.epsilon
        );
    }
    if args.set.is_some() {
        "imagenet".clone_into(&mut checkpoint.weights);
    } else {
        let file = args.file.file_name().unwrap_or_default();
        checkpoint.weights = file.to_string_lossy().into_owned();
    }
    write_backbone(&checkpoint).save(&args.out)?;
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
