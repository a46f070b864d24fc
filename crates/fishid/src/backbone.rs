//! From what a person typed (`--backbone`, `--weights`) to a backbone: a file of theirs, a network with published
//! weights, or, where those cannot be had, a network with random ones and a loud warning.

mod choice;
mod proof;
mod written;

use std::path::Path;

use anyhow::Context as _;
use fishid_dataset::Dataset;
use fishid_hub::HubError;
use fishid_image::Fit;
use fishid_network::BackboneFile;
use fishid_network::efficientnet::{
    Architecture, Checkpoint, Naming, PretrainedSet, random_checkpoint,
};
use fishid_taxonomy::Catalogue;
use fishid_training::{DEFAULT_FIT, Progress, StatisticsPhotographs};

pub use choice::{Choice, Weights};
pub use proof::prove;

use crate::commands::blame;
use crate::config::Config;
use crate::exit::{BlameInput as _, InputError};
use crate::home::Home;
use crate::weights_hub::{Downloads, Offline};
use written::{find_random, keep_pretrained, keep_random};

/// What random weights are drawn from unless a seed is named: one network, whatever the seed of a run.
const RANDOM_SEED: u64 = 0;
/// What is trained on where nothing was named and nothing can be downloaded: B4 with random weights takes about five
/// times as long, and a demonstration is to be there within three minutes.
const OFFLINE_NETWORK: &str = "efficientnet-b0";

/// What a backbone is made for.
pub struct Circumstances<'a> {
    pub dataset: &'a Dataset,
    pub catalogue: &'a Catalogue,
    /// `--fit`, where it was given.
    pub fit: Option<Fit>,
    pub seed: u64,
    pub config: &'a Config,
    pub home: &'a Home,
}

/// Reads, downloads or draws what was chosen.
pub fn open(
    choice: &Choice,
    circumstances: &Circumstances<'_>,
    story: &mut dyn Progress,
) -> anyhow::Result<BackboneFile> {
    let (architecture, weights) = match choice {
        Choice::File(path) => return open_file(path),
        Choice::Network(architecture, weights) => (*architecture, weights),
        Choice::Unnamed(weights) => (Architecture::DEFAULT, weights),
    };
    let place = circumstances.home.backbones();
    let checkpoint = match weights {
        Weights::Random(seed) => return random(architecture, *seed, circumstances, story),
        Weights::File(path) => {
            let bytes = std::fs::read(path)
                .with_context(|| format!("--weights {}", path.display()))
                .blame_input()?;
            let mut checkpoint = import(architecture, &bytes, &path.display().to_string())?;
            if let Some(assumed) = assumption(&checkpoint, &bytes) {
                story.warn(&format!(
                    "{assumed}; `fishid weights import --set` names a published set whose card says otherwise"
                ));
            }
            let name = path.file_name().unwrap_or_default();
            checkpoint.weights = name.to_string_lossy().into_owned();
            checkpoint
        }
        Weights::ImageNet(set) => {
            let set = published(architecture, set.as_deref())?;
            let downloads = Downloads::new(circumstances.config, circumstances.home);
            downloads.fetch(set, None, story)?
        }
        Weights::Auto => match automatic(architecture, circumstances, story)? {
            Ok(checkpoint) => checkpoint,
            Err(reason) => {
                let architecture = match choice {
                    Choice::Unnamed(_) => OFFLINE_NETWORK.parse()?,
                    _ => architecture,
                };
                story.warn(&format!(
                    "NO PRETRAINED WEIGHTS: {reason}. {architecture} gets random ones, which is enough for a demonstration and for \
                     nothing else; with a network, `fishid weights fetch {}` gets real ones",
                    Architecture::DEFAULT
                ));
                return random(architecture, RANDOM_SEED, circumstances, story);
            }
        },
    };
    keep_pretrained(&place, &checkpoint)
}

/// Reads a backbone that somebody exported.
fn open_file(path: &Path) -> anyhow::Result<BackboneFile> {
    if !path.is_file() {
        anyhow::bail!(InputError(format!(
            "--backbone {}: neither a file nor a network fishid knows; give an ONNX image network with an output \
             `embedding` or `features`, or a name from efficientnet-b0 to tf-efficientnet-b7",
            path.display()
        )));
    }
    BackboneFile::open(path).blame_input()
}

/// Imports weights that a person gave.
fn import(architecture: Architecture, bytes: &[u8], name: &str) -> anyhow::Result<Checkpoint> {
    Checkpoint::import(architecture, bytes, None)
        .with_context(|| format!("{name} cannot be used"))
        .blame_input()
}

/// What timm's file does not say of itself and was taken from the flavour, as one sentence; torchvision publishes one
/// set per network, so its names say it.
pub fn assumption(checkpoint: &Checkpoint, bytes: &[u8]) -> Option<String> {
    let card = &checkpoint.card;
    (Checkpoint::naming(bytes) == Some(Naming::Timm)).then(|| {
        format!(
            "assumed: photographs of {0} x {0} pixels, ImageNet's mean and deviation, epsilon {1}",
            card.side, card.epsilon
        )
    })
}

/// The published set of that name, or the network's default.
pub fn published(
    architecture: Architecture,
    tag: Option<&str>,
) -> anyhow::Result<&'static PretrainedSet> {
    if let Some(set) = PretrainedSet::find(architecture, tag) {
        return Ok(set);
    }
    let there: Vec<&str> = PretrainedSet::of(architecture).map(|set| set.tag).collect();
    let message = if there.is_empty() {
        format!(
            "no weights of {architecture} are published as safetensors; take tf-{architecture}, or save torchvision's as \
             safetensors and use `fishid weights import`"
        )
    } else {
        let tag = tag.unwrap_or_default();
        format!(
            "{architecture} has no set `{tag}`; there are {}",
            there.join(", ")
        )
    };
    Err(InputError(message).into())
}

/// Cached weights, else downloaded ones within the time-out; the inner error says why there are none. Bytes that are
/// not the published ones and a disk that fails stop the run: silence about them would hide an attack or a loss.
fn automatic(
    architecture: Architecture,
    circumstances: &Circumstances<'_>,
    story: &mut dyn Progress,
) -> anyhow::Result<Result<Checkpoint, String>> {
    let Some(set) = PretrainedSet::find(architecture, None) else {
        return Ok(Err(format!(
            "none of {architecture} are published as safetensors"
        )));
    };
    let downloads = Downloads::new(circumstances.config, circumstances.home);
    let limit = downloads.auto_timeout();
    match downloads.fetch(set, Some(limit), story) {
        Ok(checkpoint) => Ok(Ok(checkpoint)),
        Err(error) if is_unavailable(&error) => Ok(Err(format!("{error:#}"))),
        Err(error) => Err(error.context(
            "the weights could not be had; `--backbone efficientnet-b0 --weights random:0` does without for a demonstration",
        )),
    }
}

fn is_unavailable(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<HubError>()
        .is_some_and(HubError::is_unavailable)
        || error.is::<Offline>()
}

/// Random weights with statistics from the training photographs; the same photographs give the same file.
fn random(
    architecture: Architecture,
    seed: u64,
    circumstances: &Circumstances<'_>,
    story: &mut dyn Progress,
) -> anyhow::Result<BackboneFile> {
    let photographs = StatisticsPhotographs::choose(
        circumstances.dataset,
        circumstances.catalogue,
        circumstances.fit.unwrap_or(DEFAULT_FIT),
        circumstances.seed,
    )
    .map_err(blame)?;
    let place = circumstances.home.backbones();
    if let Some(there) = find_random(&place, architecture, seed, photographs.digest()) {
        return Ok(there);
    }
    let mut checkpoint = random_checkpoint(architecture, seed);
    photographs
        .estimate(&mut checkpoint, story)
        .map_err(blame)?;
    keep_random(&place, &checkpoint, photographs.digest())
}
