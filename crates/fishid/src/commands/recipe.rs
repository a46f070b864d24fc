//! Backbone, fit and seed from flags and settings: shared by train, pipeline and up.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use fishid_image::Fit;
use fishid_network::{BackboneFile, demonstration_backbone};
use fishid_training::DEFAULT_FIT;

use crate::cli::RecipeArgs;
use crate::config::Config;
use crate::exit::{BlameInput as _, InputError};
use crate::home::Home;

/// Seed of the demonstration backbone: it is one file, whatever the seed of a training run.
const DEMONSTRATION_SEED: u64 = 0;

/// What decides a model besides the data, checked.
pub struct Choices {
    pub backbone: BackboneFile,
    pub fit: Fit,
    pub seed: u64,
}

/// Reads the backbone and the other choices. Without a backbone, fishid's own demonstration backbone is
/// written and taken.
pub fn choose(args: &RecipeArgs, config: &Config, home: &Home) -> anyhow::Result<Choices> {
    let path = match args.backbone.as_ref().or(config.train.backbone.as_ref()) {
        Some(file) => PathBuf::from(file),
        None => demonstration(&home.backbones())?,
    };
    if !path.is_file() {
        anyhow::bail!(InputError(format!(
            "--backbone {}: no such file; give an ONNX image network with an output `embedding` or `features`",
            path.display()
        )));
    }
    let backbone = BackboneFile::open(&path).blame_input()?;
    let fit = args.fit.as_deref().map_or(Ok(DEFAULT_FIT), parse_fit)?;
    Ok(Choices {
        backbone,
        fit,
        seed: args.seed.or(config.train.seed).unwrap_or(0),
    })
}

/// The demonstration backbone, written once.
fn demonstration(folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("demonstration-{DEMONSTRATION_SEED}.onnx"));
    if !path.is_file() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        demonstration_backbone(DEMONSTRATION_SEED, &path)?;
    }
    Ok(path)
}

fn parse_fit(text: &str) -> anyhow::Result<Fit> {
    match text.replace('-', "_").as_str() {
        "stretch" => Ok(Fit::Stretch),
        "pad" => Ok(Fit::Pad),
        "center_crop" => Ok(Fit::CenterCrop),
        _ => Err(InputError(format!(
            "--fit {text}: the fits are stretch, pad and center-crop"
        ))
        .into()),
    }
}

/// The version of the code, for the record of every model.
pub const CODE_VERSION: &str = env!("CARGO_PKG_VERSION");
