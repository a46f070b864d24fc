//! `fishid up`: train if nothing is in production, then serve.

use std::net::TcpListener;

use anyhow::Context as _;
use fishid_bundle::Bundle;
use fishid_network::BackboneFile;
use fishid_registry::{ModelRegistry, PRODUCTION, VersionRef};

use super::pipeline::{Settings, carry_out};
use super::recipe::choice;
use super::serve::{From, answer, predictor_options};
use super::{print_line, registry};
use crate::backbone::Choice;
use crate::cli::UpArgs;
use crate::config::Config;
use crate::exit::{BlameInput as _, Status};
use crate::home::Home;
use crate::registry_source::RegistrySource;

pub fn run(args: &UpArgs, config: &Config, home: &Home) -> anyhow::Result<Status> {
    let settings = Settings::new(args.data.as_ref(), &args.recipe, &args.registry, config)?;
    let chosen = registry::choose(&args.registry, config, home)?;
    let listen = args.listen.as_ref().unwrap_or(&config.serve.listen);
    // A port that is taken must be told before minutes of training, not after.
    TcpListener::bind(listen).with_context(|| {
        format!(
            "cannot listen on {listen}; stop what listens there, or choose another with --listen"
        )
    })?;
    if let Some(reason) = why_train(&settings, &*chosen.registry, &chosen.model, config)? {
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
    let source = RegistrySource {
        registry: chosen.registry,
        model: chosen.model,
        bundle_cache: home.bundles(),
        options: predictor_options(&config.serve),
    };
    answer(From::Registry(source), listen, &config.serve)
}

/// Why a model has to be trained first; `None` when the one in production is what was asked for.
fn why_train(
    settings: &Settings,
    registry: &dyn ModelRegistry,
    model: &str,
    config: &Config,
) -> anyhow::Result<Option<String>> {
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
    let stands_on_it = match choice(&settings.recipe(), config)? {
        Choice::Unnamed(_) => true,
        Choice::File(path) => {
            let digest = BackboneFile::open(&path).blame_input()?.digest;
            tag("backbone_digest") == Some(digest.as_str())
        }
        Choice::Network(architecture, weights) => {
            tag("backbone") == Some(&architecture.to_string())
                && tag("weights").is_some_and(|tag| weights.may_be(tag))
        }
    };
    if !stands_on_it {
        return Ok(Some(format!(
            "version {} stands on another backbone: training a candidate",
            version.version
        )));
    }
    Ok(None)
}
