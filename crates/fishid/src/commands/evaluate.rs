//! `fishid evaluate`: a bundle against labelled photographs, all of them or those of one split.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use fishid_dataset::{Dataset, Split, groups_of, inspect};
use fishid_image::Limits;
use fishid_prediction::{Predictor, PredictorOptions};
use fishid_training::{BootstrapOptions, Evaluation, EvaluationInput};
use rayon::prelude::*;
use serde_json::json;

use super::{data, predict, print_json, print_line};
use crate::cli::EvaluateArgs;
use crate::config::Config;
use crate::exit::{BlameInput as _, InputError, Status};
use crate::progress::Bar;

pub fn run(args: &EvaluateArgs, config: &Config) -> anyhow::Result<Status> {
    if !args.bundle.is_dir() {
        anyhow::bail!(InputError(format!(
            "{}: no such bundle folder",
            args.bundle.display()
        )));
    }
    if let Some(file) = &args.predictions {
        refuse_unwritable(file)?;
    }
    let split: Option<Split> = args
        .split
        .as_deref()
        .map(str::parse)
        .transpose()
        .blame_input()?;
    let mut dataset = data::open(&args.data, &args.group)?;
    if let Some(split) = split {
        dataset = dataset.only(split).blame_input()?;
    }
    let n_threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let predictor = predict::open(&args.bundle, &PredictorOptions::for_files(n_threads))?;

    // Groups are needed for the intervals; without a manifest they are the near-duplicate clusters.
    let bar = Bar::new("reading");
    let inspections = inspect(&dataset, &Limits::default(), &|done, total| {
        bar.set(done, total);
    });
    drop(bar);
    let groups = groups_of(&dataset, &inspections);
    let answers = answer_all(&dataset, &predictor);

    let catalogue = config.catalogue()?;
    let (mut probabilities, mut truth, mut kept_groups, mut left_out) =
        (vec![], vec![], vec![], vec![]);
    let mut paths = vec![];
    for ((photograph, group), answer) in dataset.photographs().iter().zip(groups).zip(answers) {
        match answer {
            Ok(row) => {
                probabilities.push(row);
                truth.push(catalogue.resolve(&photograph.class).slug);
                kept_groups.push(group);
                paths.push(photograph.path.as_str());
            }
            Err(error) => {
                eprintln!("left out: {}: {error:#}", photograph.path);
                left_out.push(json!({"path": photograph.path, "error": format!("{error:#}")}));
            }
        }
    }
    if truth.is_empty() {
        anyhow::bail!(InputError(format!(
            "{}: not one photograph could be answered",
            args.data
        )));
    }
    let classes: Vec<String> = predictor
        .manifest()
        .classes
        .iter()
        .map(|class| class.slug.clone())
        .collect();
    let input = EvaluationInput {
        probabilities: &probabilities,
        truth: &truth,
        groups: &kept_groups,
        classes: &classes,
    };
    if let Some(file) = &args.predictions {
        write_predictions(file, &paths, &input)
            .with_context(|| format!("--predictions {}", file.display()))?;
    }
    let evaluation = Evaluation::compute(&input, &BootstrapOptions::default());
    report(&evaluation, &left_out, args.json)?;
    Ok(Status::Done)
}

/// Told before the photographs are answered, not after.
fn refuse_unwritable(file: &Path) -> anyhow::Result<()> {
    let folder = file.parent().filter(|it| !it.as_os_str().is_empty());
    if file.is_dir() || folder.is_some_and(|folder| !folder.is_dir()) {
        anyhow::bail!(InputError(format!(
            "--predictions {}: name a file in a folder that exists",
            file.display()
        )));
    }
    Ok(())
}

/// One row a photograph, in the columns that plots of a confusion matrix want.
fn write_predictions(
    file: &Path,
    paths: &[&str],
    input: &EvaluationInput<'_>,
) -> anyhow::Result<()> {
    let mut table = csv::Writer::from_path(file)?;
    table.write_record(["path", "actual", "predicted", "confidence", "group"])?;
    for (index, path) in paths.iter().enumerate() {
        let answer = input.probabilities[index]
            .iter()
            .zip(input.classes)
            .max_by(|a, b| a.0.total_cmp(b.0));
        let (confidence, predicted) = answer.context("the model knows no class")?;
        table.write_record([
            *path,
            &input.truth[index],
            predicted,
            &confidence.to_string(),
            &input.groups[index],
        ])?;
    }
    Ok(table.flush()?)
}

/// Probabilities of every photograph, in order, or why there are none.
fn answer_all(dataset: &Dataset, predictor: &Predictor) -> Vec<anyhow::Result<Vec<f32>>> {
    let bar = Bar::new("answering");
    let photographs = dataset.photographs();
    let n_done = AtomicUsize::new(0);
    photographs
        .par_iter()
        .map(|photograph| {
            let bytes = dataset.read(photograph)?;
            let answer = predictor.predict(&bytes);
            bar.set(
                n_done.fetch_add(1, Ordering::Relaxed) + 1,
                photographs.len(),
            );
            Ok(answer?.probabilities().to_vec())
        })
        .collect()
}

fn report(
    evaluation: &Evaluation,
    left_out: &[serde_json::Value],
    as_json: bool,
) -> anyhow::Result<()> {
    if as_json {
        let mut value = serde_json::to_value(evaluation)?;
        value["left_out"] = json!(left_out);
        return print_json(&value);
    }
    let [low, high] = evaluation.accuracy_ci95;
    print_line(&format!(
        "accuracy {:.3} (95 % between {low:.3} and {high:.3}) on {} photographs of {} groups",
        evaluation.accuracy, evaluation.n, evaluation.n_groups
    ))?;
    print_line(&format!(
        "balanced accuracy {:.3}, macro-F1 {:.3}, top 3 {:.3}, calibration error {:.3}",
        evaluation.balanced_accuracy,
        evaluation.macro_f1,
        evaluation.top_3_accuracy,
        evaluation.ece
    ))?;
    for (slug, score) in &evaluation.per_class {
        print_line(&format!(
            "{slug:<30} precision {:.2}  recall {:.2}  F1 {:.2}  n {}",
            score.precision, score.recall, score.f1, score.n
        ))?;
    }
    for class in &evaluation.unknown_classes {
        print_line(&format!(
            "{class}: the model does not know this class; its photographs count as errors"
        ))?;
    }
    Ok(())
}
