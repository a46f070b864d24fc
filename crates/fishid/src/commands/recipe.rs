//! Backbone, fit and seed from flags and settings: shared by train, pipeline and up.

use fishid_dataset::Dataset;
use fishid_image::{Filter, Fit};
use fishid_network::BackboneFile;
use fishid_training::{DEFAULT_FIT, Progress, Recipe};

use crate::backbone::{self, Choice, Circumstances};
use crate::cli::RecipeArgs;
use crate::config::Config;
use crate::exit::InputError;
use crate::home::Home;

/// What decides a model besides the data, checked.
pub struct Choices {
    pub backbone: BackboneFile,
    pub fit: Fit,
    pub filter: Filter,
    pub seed: u64,
    pub recipe: Recipe,
}

/// What `--backbone` and `--weights`, or the settings in their place, mean; every flag that means nothing is refused
/// here, before any work.
pub fn choice(args: &RecipeArgs, config: &Config) -> Result<Choice, InputError> {
    args.fit.as_deref().map(parse_fit).transpose()?;
    let backbone = args.backbone.as_ref().or(config.train.backbone.as_ref());
    let weights = args.weights.as_ref().or(config.train.weights.as_ref());
    Choice::new(backbone.map(String::as_str), weights.map(String::as_str))
}

/// Opens the backbone and reads the other choices.
pub fn choose(
    args: &RecipeArgs,
    dataset: &Dataset,
    config: &Config,
    home: &Home,
    story: &mut dyn Progress,
) -> anyhow::Result<Choices> {
    let choice = choice(args, config)?;
    let fit = args.fit.as_deref().map(parse_fit).transpose()?;
    let seed = args.seed.or(config.train.seed).unwrap_or(0);
    let circumstances = Circumstances {
        dataset,
        catalogue: &config.catalogue()?,
        fit,
        seed,
        config,
        home,
    };
    let backbone = backbone::open(&choice, &circumstances, story)?;
    let wanted = (&backbone.input.fit, &backbone.input.filter);
    let fit = match (fit, wanted.0) {
        (Some(fit), _) => fit,
        (None, Some(name)) => parse_fit(name)?,
        (None, None) => DEFAULT_FIT,
    };
    let filter = wanted
        .1
        .as_deref()
        .map_or(Ok(Filter::default()), parse_filter)?;
    let mut recipe = Recipe::for_backbone(&backbone);
    if let Some(views) = args.views {
        recipe.views = recipe.views.with_n_views(views);
    }
    if let Some(epochs) = args.epochs {
        recipe.max_epochs = epochs as usize;
    }
    Ok(Choices {
        backbone,
        fit,
        filter,
        seed,
        recipe,
    })
}

pub fn parse_fit(text: &str) -> Result<Fit, InputError> {
    match &*text.replace('-', "_") {
        "stretch" => Ok(Fit::Stretch),
        "pad" => Ok(Fit::Pad),
        "center_crop" => Ok(Fit::CenterCrop),
        _ => Err(InputError(format!(
            "--fit {text}: the fits are stretch, pad and center-crop"
        ))),
    }
}

pub fn parse_filter(text: &str) -> Result<Filter, InputError> {
    [Filter::Bilinear, Filter::CatmullRom, Filter::Lanczos3]
        .into_iter()
        .find(|filter| filter.as_str() == text)
        .ok_or_else(|| {
            InputError(format!(
                "the file beside the backbone says filter `{text}`; known are bilinear, catmull_rom and lanczos3"
            ))
        })
}

/// The version of the code, for the record of every model.
pub const CODE_VERSION: &str = env!("CARGO_PKG_VERSION");
