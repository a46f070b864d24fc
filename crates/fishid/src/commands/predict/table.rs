//! `fishid predict … --out TABLE`: photographs by the hundred thousand, stopped and gone on with at will.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fishid_engine::usable_cores;
use fishid_prediction::scoring::{Output, Row, Run, RunError, RunIdentity, Scored, Threads, score};
use fishid_prediction::{Circumstances, EngineChooser, Occasion, Predictor};
use fishid_taxonomy::Language;
use serde_json::json;

use super::inputs::Inputs;
use crate::cli::PredictArgs;
use crate::commands::{print_json, print_line};
use crate::exit::{BlameInput as _, InputError, Status};
use crate::photographs;
use crate::progress::Tally;

/// A folder answers at once; S3 answers many as fast as one.
const READERS_OF_A_FOLDER: usize = 2;
const READERS_OF_S3: usize = 16;
/// How often it is looked whether the person wants to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub fn run(
    args: &PredictArgs,
    out: &Path,
    language: Language,
    engine: &EngineChooser,
) -> anyhow::Result<Status> {
    let output = Output::new(out).blame_input()?;
    let inputs = Inputs::open(&args.photos)?;
    let opened = engine.open(&args.bundle, Occasion::FirstStart);
    let predictor = Arc::new(opened.map_err(super::blame)?);
    predictor.warm_up()?;
    let n_workers = predictor.n_sessions().max(usable_cores());
    if let Some(reason) = &predictor.manifest().demonstration {
        eprintln!("{reason}");
    }
    let identity = RunIdentity {
        model_digest: predictor.digest().to_owned(),
        engine_digest: predictor.engine_digest().to_owned(),
        language: language.code().to_owned(),
        inputs: inputs.names().to_vec(),
    };
    let Some(run) = Run::open(&output, &identity, args.restart).map_err(blame)? else {
        print_line(&format!("{}: it was whole already", out.display()))?;
        return Ok(Status::Done);
    };
    let table = Table {
        predictor,
        inputs,
        language,
        threads: Threads {
            n_workers,
            n_readers: 0,
        },
    };
    table.fill(run, args, out)
}

/// What is wrong with the names or the settings is the input's fault, what is wrong with the disk is not.
fn blame(error: RunError) -> anyhow::Error {
    match error {
        RunError::Exists { .. } | RunError::Other { .. } => InputError(error.to_string()).into(),
        other => other.into(),
    }
}

struct Table {
    predictor: Arc<Predictor>,
    inputs: Inputs,
    language: Language,
    threads: Threads,
}

impl Table {
    fn fill(&self, mut run: Run, args: &PredictArgs, out: &Path) -> anyhow::Result<Status> {
        let n_before = run.n_rows();
        if n_before > 0 {
            eprintln!("going on after {n_before} photographs that are done");
        }
        let started = Instant::now();
        let is_stopped = on_stop_signal()?;
        let answered = self.answer(&mut run, &is_stopped);
        let (n, n_refused) = (run.n_rows(), run.n_refused());
        if is_stopped.load(Ordering::Relaxed) || answered.is_err() {
            run.pause()?;
            let kept = format!(
                "stopped after {n} photographs, which are kept; the same command goes on from there"
            );
            answered.context(kept.clone())?;
            anyhow::bail!(kept);
        }
        if n == 0 {
            run.abandon()?;
            anyhow::bail!(InputError(format!(
                "no photographs in {}: files whose names end in {} are taken",
                self.inputs.names().join(", "),
                photographs::EXTENSIONS.join(", ")
            )));
        }
        run.finish()?;
        let seconds = started.elapsed().as_secs_f64();
        let rate = (n - n_before) as f64 / seconds.max(1e-9);
        let n_unlisted = self.inputs.n_unlisted();
        if args.json {
            print_json(&json!({
                "out": out.display().to_string(),
                "n": n,
                "n_refused": n_refused,
                "n_unlisted": n_unlisted,
                "n_kept": n_before,
                "seconds": seconds,
                "photographs_per_second": rate,
                "model_digest": self.predictor.digest(),
            }))?;
        } else {
            print_line(&format!(
                "{}: {n} photographs, {n_refused} of them without an answer (column error says why); {rate:.1} a second",
                out.display()
            ))?;
        }
        if n_unlisted > 0 {
            eprintln!("{n_unlisted} names could not be listed and are not in the table");
        }
        let is_bad = n_refused == n || args.strict && n_refused + n_unlisted > 0;
        Ok(if is_bad {
            Status::BadInput
        } else {
            Status::Done
        })
    }

    /// Answers what is not done yet, until all of it is or the person wants to stop.
    fn answer(&self, run: &mut Run, is_stopped: &AtomicBool) -> anyhow::Result<()> {
        let finished = Arc::clone(run.finished());
        let photographs = self.inputs.photographs();
        let left = photographs.filter(move |listed| {
            let is_done = |path: &str| finished.has(path);
            listed.as_ref().map_or(true, |it| !is_done(&it.path))
        });
        let threads = Threads {
            n_readers: if self.inputs.is_remote() {
                READERS_OF_S3
            } else {
                READERS_OF_A_FOLDER
            },
            ..self.threads
        };
        let tally = Tally::new("answering", run.n_rows() as u64);
        if tally.is_seen() {
            let (inputs, total) = (self.inputs.clone(), tally.total());
            // Ends with the listing, or with the process.
            thread::Builder::new()
                .name("count".to_owned())
                .spawn(move || inputs.count(|n| total.store(n, Ordering::Relaxed)))?;
        }
        let scores = score(&self.predictor, left, threads)?;
        while let Some(next) = scores.next_within(LOOK_EVERY) {
            if is_stopped.load(Ordering::Relaxed) {
                break;
            }
            if let Some(scored) = next? {
                run.add(&self.row(scored))?;
            }
            tally.set(run.n_rows() as u64);
        }
        Ok(())
    }

    fn row(&self, scored: Scored) -> Row {
        let prediction = match scored.answer {
            Ok(prediction) => prediction,
            Err(refusal) => return Row::refused(scored.path, refusal),
        };
        let circumstances = Circumstances {
            language: self.language,
            processing_time_ms: scored.spent.as_secs_f64() * 1e3,
            model_version: self.predictor.digest_version().to_owned(),
            cached: false,
        };
        let reply = prediction.reply(self.predictor.names(), circumstances);
        Row::answered(scored.path, reply, self.predictor.digest())
    }
}

/// True from the first Ctrl-C or SIGTERM on; a second one ends the process at once.
fn on_stop_signal() -> anyhow::Result<Arc<AtomicBool>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let stop = {
        let _context = runtime.enter();
        fishid_server::stop_signal()?
    };
    let is_stopped = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_stopped);
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                stop.await;
                told.store(true, Ordering::Relaxed);
                std::future::pending::<()>().await;
            });
        })?;
    Ok(is_stopped)
}
