//! `fishid registry adopt`: a classifier that was trained elsewhere becomes a version, or a bundle in a folder.

mod form;
mod found;

use std::path::Path;

use anyhow::Context as _;
use fishid_image::{Filter, Fit};
use fishid_network::ForeignClassifier;
use fishid_registry::{PublishNote, Version};
use fishid_taxonomy::Catalogue;
use fishid_training::{AdoptRequest, Adopted, adopt, class_names};
use serde_json::json;

use self::found::{Found, find, is_remote};
use super::{Chosen, blame, choose, note, proof};
use crate::cli::AdoptArgs;
use crate::commands::recipe::{CODE_VERSION, parse_filter, parse_fit};
use crate::commands::train::{refuse_existing, refuse_inside};
use crate::commands::{self, data, print_json, print_line};
use crate::config::Config;
use crate::exit::{BlameInput as _, InputError};
use crate::home::Home;
use crate::progress::Story;

/// Keys under which exporters leave the classes in the ONNX file itself.
const CLASS_KEYS: [&str; 4] = ["classes", "class_names", "labels", "names"];

pub fn run(args: &AdoptArgs, config: &Config, home: &Home) -> anyhow::Result<()> {
    if let Some(out) = &args.out {
        refuse_existing(out)?;
        refuse_inside(out, &args.samples)?;
        if args.registry.registry.is_some() && !is_remote(&args.classifier) {
            anyhow::bail!(InputError(format!(
                "--out writes the bundle into a folder instead of publishing it, so that --registry has no meaning; leave one out, or publish it later with `fishid registry publish {}`",
                out.display()
            )));
        }
    }
    // Before the work, which would be lost on a registry that cannot be opened.
    let chosen = choose(&args.registry, config, home)?;
    let workplace = workplace(home)?;
    let found = find(&args.classifier, &chosen, workplace.path())?;
    let statement = form::statement(&args.form, &found.file, found.folder.as_ref())?;
    let foreign = ForeignClassifier::open(&found.file, &statement).blame_input()?;
    let catalogue = config.catalogue()?;
    let samples = data::open(&args.samples, &args.group)?;
    let classes = classes(args, &found, &foreign, &catalogue, &samples.classes())?;
    let (fit, filter) = (&statement.input.fit, &statement.input.filter);
    let request = AdoptRequest {
        foreign: &foreign,
        classes: &classes,
        samples: &samples,
        catalogue: &catalogue,
        fit: fit.as_deref().map_or(Ok(Fit::Stretch), parse_fit)?,
        filter: filter
            .as_deref()
            .map_or(Ok(Filter::default()), parse_filter)?,
        group_column: &args.group.group_column,
        source: &found.source,
        model_name: &chosen.model,
        code_version: CODE_VERSION,
    };
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| workplace.path().join("bundle"));
    let adopted = adopt(&request, &out, &mut Story::default()).map_err(commands::blame)?;
    let version = match &args.out {
        Some(_) => None,
        None => Some(publish(&chosen, &out, args, &found.source)?),
    };
    report(&adopted, args.out.as_deref(), version.as_ref(), args.json)
}

/// A folder that is gone when the command ends: for what is downloaded, and for a bundle until it is published.
fn workplace(home: &Home) -> anyhow::Result<tempfile::TempDir> {
    let parent = home.bundles();
    let make = || {
        std::fs::create_dir_all(&parent)?;
        tempfile::Builder::new()
            .prefix("adopting-")
            .tempdir_in(&parent)
    };
    make().with_context(|| format!("cannot create a folder in {}", parent.display()))
}

/// --classes before `MLmodel` before the ONNX file.
fn classes(
    args: &AdoptArgs,
    found: &Found,
    foreign: &ForeignClassifier,
    catalogue: &Catalogue,
    folders: &[String],
) -> anyhow::Result<Vec<String>> {
    if let Some(text) = &args.form.classes {
        let path = Path::new(text);
        let content = if path.is_file() {
            std::fs::read_to_string(path).blame_input()?
        } else {
            text.clone()
        };
        return class_names(&content, catalogue).ok_or_else(|| {
            InputError(format!(
                "--classes {text}: neither names between commas nor a file with a name in each line, or a name stands twice"
            ))
            .into()
        });
    }
    let of_folder = found
        .folder
        .as_ref()
        .and_then(|folder| folder.classes.clone());
    let stated = of_folder
        .map(|names| names.join("\n"))
        .or_else(|| {
            let mut texts = CLASS_KEYS.iter().filter_map(|key| foreign.metadata(key));
            texts.next().map(str::to_owned)
        })
        .and_then(|text| class_names(&text, catalogue));
    stated.ok_or_else(|| {
        InputError(format!(
            "{}: nothing says which classes it knows, in the order of its output; say --classes. Most programs take the folders in the order of their names: --classes {}",
            found.name,
            folders.join(",")
        ))
        .into()
    })
}

fn publish(
    chosen: &Chosen,
    bundle: &Path,
    args: &AdoptArgs,
    source: &str,
) -> anyhow::Result<Version> {
    proof::prove(bundle, "the adopted bundle")?;
    let who_and_why = note(&args.why, &format!("adopted from {source}"));
    let tag = ("adopted_from".to_owned(), source.to_owned());
    let publish_note = PublishNote {
        who: who_and_why.who,
        why: who_and_why.why,
        tags: [tag].into(),
        run: None,
    };
    chosen
        .registry
        .publish(&chosen.model, bundle, &publish_note)
        .map_err(blame)
}

fn report(
    adopted: &Adopted,
    out: Option<&Path>,
    version: Option<&Version>,
    as_json: bool,
) -> anyhow::Result<()> {
    let (bundle, evaluation) = (&adopted.bundle, &adopted.evaluation);
    if as_json {
        let manifest = bundle.manifest();
        return print_json(&json!({
            "bundle": out, "version": version.map(|version| &version.version),
            "bundle_digest": bundle.bundle_digest()?, "model_digest": bundle.model_digest()?,
            "classes": manifest.classes.iter().map(|class| &class.slug).collect::<Vec<_>>(),
            "output_kind": adopted.kind.as_str(), "largest_difference": adopted.difference,
            "assumed": manifest.training["adopted"]["assumed"], "samples": evaluation,
            "demonstration": manifest.demonstration,
        }));
    }
    if let Some(reason) = &bundle.manifest().demonstration {
        print_line(reason)?;
    }
    let [low, high] = evaluation.accuracy_ci95;
    print_line(&format!(
        "accuracy {:.3} (95 % between {low:.3} and {high:.3}) on {} samples; it may have been trained on them",
        evaluation.accuracy, evaluation.n
    ))?;
    if let Some(out) = out {
        print_line(&format!(
            "bundle {}; `fishid registry publish {}` makes a version of it",
            out.display(),
            out.display()
        ))?;
    }
    match version {
        Some(version) => print_line(&format!(
            "version {} of {}; `fishid registry promote {}` puts it into production",
            version.version, version.model, version.version
        )),
        None => Ok(()),
    }
}
