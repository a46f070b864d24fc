//! `fishid up`: train if nothing is in production, then serve.

use std::net::TcpListener;
use std::path::Path;

use anyhow::Context as _;
use fishid_bundle::{Backbone, Bundle};
use fishid_network::BackboneFile;
use fishid_network::efficientnet::{Architecture, Checkpoint, PretrainedSet};
use fishid_prediction::EngineChooser;
use fishid_registry::{PRODUCTION, VersionRef};

use super::pipeline::{Settings, carry_out};
use super::recipe::choice;
use super::registry::Chosen;
use super::serve::{From, Wiring, answer, preparation, shared_cache};
use super::{print_line, registry};
use crate::backbone::{Choice, Weights, published};
use crate::cli::UpArgs;
use crate::config::Config;
use crate::exit::{BlameInput as _, Status};
use crate::home::Home;
use crate::registry_source::RegistrySource;
use crate::weights_hub::Downloads;

pub fn run(
    args: &UpArgs,
    config_file: Option<&Path>,
    config: &Config,
    home: &Home,
) -> anyhow::Result<Status> {
    let settings = Settings::new(args.data.as_ref(), &args.recipe, &args.registry, config)?;
    let chosen = registry::choose(&args.registry, config, home)?;
    let shared = shared_cache::parse(args.redis_url.as_deref(), &config.cache)?;
    let listen = args.listen.as_ref().unwrap_or(&config.serve.listen);
    // A port that is taken must be told before minutes of training, not after.
    TcpListener::bind(listen).with_context(|| {
        format!(
            "cannot listen on {listen}; stop what listens there, or choose another with --listen"
        )
    })?;
    if let Some(reason) = why_train(&settings, &chosen, config, home)? {
        eprintln!("{reason}");
        let result = carry_out(&settings, false, config, home)?;
        if !result.promoted {
            result
                .verdict
                .reasons
                .iter()
                .for_each(|reason| eprintln!("{reason}"));
        }
    }
    let Some(version) = chosen.registry.alias(&chosen.model, PRODUCTION)? else {
        anyhow::bail!(
            "no model is in production: the gate did not let the trained one pass (reasons above)"
        );
    };
    let bundle = chosen.registry.fetch(
        &chosen.model,
        &VersionRef::new(&version.version),
        &home.bundles(),
    )?;
    let manifest = Bundle::open(&bundle)?.manifest().clone();
    print_line(&format!(
        "version {} of {} is in production",
        version.version, chosen.model
    ))?;
    if let Some(reason) = &manifest.demonstration {
        print_line(reason)?;
    }
    let wishes = config.engine.wishes(&args.engine);
    let streams = wishes.streams;
    let preparation = preparation(config_file, &wishes, config);
    let engine = EngineChooser::new(home.engine(), wishes);
    let source = RegistrySource::new(chosen, engine, preparation, home)?;
    let wiring = Wiring {
        from: From::Registry(Box::new(source)),
        streams,
        shared,
    };
    answer(wiring, listen, config)
}

/// Why a model has to be trained first; `None` when the one in production is what was asked for.
fn why_train(
    settings: &Settings,
    chosen: &Chosen,
    config: &Config,
    home: &Home,
) -> anyhow::Result<Option<String>> {
    let Chosen {
        registry, model, ..
    } = chosen;
    let Some(version) = registry.alias(model, PRODUCTION)? else {
        return Ok(Some(format!(
            "no version of {model} is in production: training one"
        )));
    };
    // Without --data and --backbone, whatever is in production is served.
    let tag = |name: &str| version.tags.get(name).map(String::as_str);
    if let Some(data) = settings
        .data
        .as_deref()
        .filter(|data| tag("data_location") != Some(*data))
    {
        return Ok(Some(format!(
            "version {} was not trained on {data}: training a candidate",
            version.version
        )));
    }
    let number = VersionRef::new(&version.version);
    let has_network = |architecture: Architecture, weights: &Weights| -> anyhow::Result<bool> {
        let bundle = registry.fetch(model, &number, &home.bundles())?;
        let backbone = Bundle::open(&bundle)?.manifest().backbone.clone();
        Ok(backbone.name == architecture.to_string()
            && has_weights(
                &backbone,
                architecture,
                weights,
                &Downloads::new(config, home),
            )?)
    };
    let stands_on_it = match choice(&settings.recipe(), config)? {
        Choice::Unnamed(Weights::Auto) => true,
        Choice::File(path) => {
            let digest = BackboneFile::open(&path).blame_input()?.digest;
            tag("backbone_digest") == Some(digest.as_str())
        }
        Choice::Unnamed(weights) => has_network(Architecture::DEFAULT, &weights)?,
        Choice::Network(architecture, weights) => has_network(architecture, &weights)?,
    };
    if !stands_on_it {
        return Ok(Some(format!(
            "version {} stands on another backbone: training a candidate",
            version.version
        )));
    }
    Ok(None)
}

/// Whether the weights of a trained backbone are the ones that are asked for now, by what they are and not by what
/// their file was called.
fn has_weights(
    backbone: &Backbone,
    architecture: Architecture,
    weights: &Weights,
    downloads: &Downloads,
) -> anyhow::Result<bool> {
    let is_set = |set: &PretrainedSet| {
        backbone.weights == "imagenet" && backbone.weights_set.as_deref() == Some(set.tag)
    };
    Ok(match weights {
        Weights::Auto => match PretrainedSet::find(architecture, None) {
            Some(set) if downloads.has(set) => is_set(set),
            _ => true,
        },
        Weights::ImageNet(tag) => is_set(published(architecture, tag.as_deref())?),
        Weights::Random(seed) => backbone.weights == format!("random:{seed}"),
        Weights::File(path) => {
            let bytes = std::fs::read(path)
                .with_context(|| format!("--weights {}", path.display()))
                .blame_input()?;
            let wanted = Checkpoint::import(architecture, &bytes, None)
                .with_context(|| path.display().to_string())
                .blame_input()?;
            backbone.weights_digest == Some(wanted.digest())
        }
    })
}
