//! `fishid train`

use std::collections::BTreeMap;
use std::path::Path;

use fishid_dataset::Ratios;
use fishid_training::{TrainRequest, train};
use serde_json::json;

use super::recipe::{CODE_VERSION, choice, choose};
use super::{data, print_json, print_line};
use crate::cli::TrainArgs;
use crate::config::Config;
use crate::exit::{InputError, Status};
use crate::home::Home;
use crate::progress::Story;

pub fn run(args: &TrainArgs, config: &Config, home: &Home) -> anyhow::Result<Status> {
    choice(&args.recipe, config)?;
    refuse_existing(&args.out)?;
    refuse_inside(&args.out, &args.data)?;
    let lock = data::expected(args.locked.lock.as_deref())?;
    let dataset = data::open(&args.data, &args.recipe.group)?;
    let mut story = Story::default();
    let choices = choose(&args.recipe, &dataset, config, home, &mut story)?;
    let shared_embeddings = config.train.shared_embeddings()?;
    let request = TrainRequest {
        dataset: &dataset,
        backbone: &choices.backbone,
        catalogue: &config.catalogue()?,
        recipe: &choices.recipe,
        fit: choices.fit,
        filter: choices.filter,
        seed: choices.seed,
        ratios: Ratios::default(),
        earlier: &BTreeMap::new(),
        lock: lock.as_ref(),
        group_column: &args.recipe.group.group_column,
        n_threads: 0,
        cache_dir: &home.embeddings(),
        shared_embeddings: shared_embeddings.as_ref(),
        model_name: &config.registry.model,
        code_version: CODE_VERSION,
    };
    let outcome = train(&request, &args.out, &mut story).map_err(super::blame)?;
    let manifest = outcome.bundle.manifest();
    if args.json {
        print_json(&json!({
            "bundle": args.out, "bundle_digest": outcome.bundle.bundle_digest()?,
            "model_digest": outcome.bundle.model_digest()?, "classes": outcome.plan.classes,
            "data_digest": outcome.plan.data_digest,
            "demonstration": manifest.demonstration, "test": outcome.test, "validation": outcome.validation,
            "n_photographs": outcome.n_photographs, "setting": outcome.trained.fitted.setting,
            "temperature": outcome.trained.calibrated.temperature, "onnx_difference": outcome.onnx_difference,
            "embeddings_computed": outcome.n_embeddings.0, "embeddings_reused": outcome.n_embeddings.1,
            "embeddings_per_second": outcome.embeddings_per_second, "seconds": outcome.seconds,
        }))?;
        return Ok(Status::Done);
    }
    if let Some(reason) = &manifest.demonstration {
        print_line(reason)?;
    }
    let [low, high] = outcome.test.accuracy_ci95;
    print_line(&format!(
        "accuracy {:.3} (95 % between {low:.3} and {high:.3}), macro-F1 {:.3} on {} test photographs",
        outcome.test.accuracy, outcome.test.macro_f1, outcome.test.n
    ))?;
    print_line(&format!(
        "bundle {}, report {}",
        args.out.display(),
        args.out.join("report.html").display()
    ))?;
    Ok(Status::Done)
}

pub fn refuse_existing(out: &Path) -> anyhow::Result<()> {
    let is_empty =
        std::fs::read_dir(out).map_or(!out.exists(), |mut entries| entries.next().is_none());
    if is_empty {
        return Ok(());
    }
    anyhow::bail!(InputError(format!(
        "--out {}: it exists; name a new folder",
        out.display()
    )))
}

/// A bundle among the photographs would be read as a class of them the next time.
pub fn refuse_inside(out: &Path, data: &str) -> anyhow::Result<()> {
    let Ok(data) = Path::new(data).canonicalize() else {
        return Ok(());
    };
    let out_absolute = std::path::absolute(out)?;
    let is_inside = out_absolute
        .ancestors()
        .any(|ancestor| ancestor.canonicalize().is_ok_and(|real| real == data));
    if is_inside {
        anyhow::bail!(InputError(format!(
            "--out {}: it lies among the photographs of {}; name a folder outside",
            out.display(),
            data.display()
        )));
    }
    Ok(())
}
