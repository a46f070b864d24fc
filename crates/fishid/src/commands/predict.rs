//! `fishid predict`: photographs and folders of any size, answers as they come, in order; or a table of them.

mod inputs;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fishid_engine::{EngineError, usable_cores};
use fishid_prediction::{
    Circumstances, EngineChooser, PredictError, Predictor, PredictorOptions, Reply, predict_files,
};
use fishid_taxonomy::Language;
use serde_json::json;

use super::{print_json, print_line};
use crate::cli::{EngineArgs, PredictArgs};
use crate::config::Config;
use crate::exit::{BlameInput as _, InputError, Status};
use crate::home::Home;
use crate::photographs;

pub fn run(args: &PredictArgs, config: &Config, home: &Home) -> anyhow::Result<Status> {
    let language: Language = args.lang.parse().blame_input()?;
    if !args.bundle.is_dir() {
        anyhow::bail!(InputError(format!(
            "{}: no such bundle folder",
            args.bundle.display()
        )));
    }
    if let Some(out) = &args.out {
        let wishes = config.engine.wishes(&EngineArgs::default());
        let engine = EngineChooser::new(home.engine(), wishes).for_files();
        return table::run(args, out, language, &engine);
    }
    if let Some(remote) = args.photos.iter().find(|path| inputs::is_remote(path)) {
        anyhow::bail!(InputError(format!(
            "{}: photographs in S3 are answered into a table; add --out predictions.parquet",
            remote.display()
        )));
    }
    let missing: Vec<&PathBuf> = args.photos.iter().filter(|path| !path.exists()).collect();
    if !missing.is_empty() && missing.len() == args.photos.len() {
        let names: Vec<String> = missing
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        anyhow::bail!(InputError(format!(
            "{}: no such photograph or folder",
            names.join(", ")
        )));
    }
    let mut photographs = photographs::expand(args.photos.clone()).peekable();
    if photographs.peek().is_none() {
        let folders: Vec<String> = args
            .photos
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        anyhow::bail!(InputError(format!(
            "no photographs in {}: files whose names end in {} are taken",
            folders.join(", "),
            photographs::EXTENSIONS.join(", ")
        )));
    }
    let is_single = args.photos.len() == 1 && !args.photos[0].is_dir();
    let n_threads = if is_single { 1 } else { usable_cores() };
    let predictor = Arc::new(open(&args.bundle, &PredictorOptions::for_files(n_threads))?);
    if let Some(reason) = &predictor.manifest().demonstration {
        eprintln!("{reason}");
    }
    let mut n_bad = 0;
    for answered in predict_files(&predictor, photographs, n_threads)? {
        let outcome = answered.answer.map(|prediction| {
            prediction.reply(
                predictor.names(),
                Circumstances {
                    language,
                    processing_time_ms: answered.seconds * 1e3,
                    model_version: predictor.digest_version().to_owned(),
                    cached: false,
                },
            )
        });
        n_bad += usize::from(outcome.is_err());
        print(&answered.path, &outcome, args.json)?;
    }
    if n_bad > 0 {
        eprintln!("{n_bad} photographs could not be read");
    }
    Ok(if n_bad == 0 {
        Status::Done
    } else {
        Status::BadInput
    })
}

/// Opens a bundle; one that is none is the input's fault, a missing engine is not.
pub fn open(bundle: &Path, options: &PredictorOptions) -> anyhow::Result<Predictor> {
    Predictor::open_with(bundle, options).map_err(blame)
}

/// Of what can go wrong with opening, a folder that is no bundle and settings that contradict each other lie with
/// the user.
pub fn blame(error: PredictError) -> anyhow::Error {
    match error {
        PredictError::Bundle(_) | PredictError::Engine(EngineError::Wish { .. }) => {
            InputError(error.to_string()).into()
        }
        other => other.into(),
    }
}

fn print(path: &Path, outcome: &Result<Reply, PredictError>, as_json: bool) -> anyhow::Result<()> {
    let shown = path.display();
    match (outcome, as_json) {
        (Ok(reply), true) => {
            let mut value = serde_json::to_value(reply)?;
            value["path"] = json!(shown.to_string());
            print_json(&value)
        }
        (Err(error), true) => {
            print_json(&json!({"path": shown.to_string(), "error": error.to_string()}))
        }
        (Ok(reply), false) => {
            let others: Vec<String> = reply.top_3_predictions[1..]
                .iter()
                .map(|other| format!("{} {:.1} %", other.label, other.probability * 100.0))
                .collect();
            let sure = if reply.is_confident { "" } else { "not sure: " };
            print_line(&format!(
                "{shown}: {sure}{} {:.1} % ({})",
                reply.predicted_label,
                reply.confidence * 100.0,
                others.join(", ")
            ))
        }
        (Err(error), false) => print_line(&format!("{shown}: {error}")),
    }
}
