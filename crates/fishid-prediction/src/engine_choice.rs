//! Which engine a bundle is opened with: what was measured on this machine, else what its facts suggest, and always
//! one whose answers on the golden photographs are those of f32.
//!
//! The measuring itself is `fishid-engine`'s. Knows no queue and no registry. Start at [`EngineChooser::open`].

mod folder;
mod kept;
mod measuring;
mod proofs;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use fishid_bundle::Bundle;
use fishid_engine::{
    EngineError, EngineOptions, Machine, Measurement, Plan, Precision, Provider, Record, Wishes,
    topology_digest, usable_cores,
};
use fishid_image::Limits;

use crate::{GOLDEN_TOLERANCE, GoldenReport, PredictError, Predictor, PredictorOptions};
use folder::Folder;
pub use measuring::{TuneOptions, Tuned};
use proofs::{Proof, Proofs};

/// When a bundle is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// Nothing answers yet: where nothing was measured before, up to 3 s are spent on it.
    FirstStart,
    /// Another model answers, and would answer more slowly: nothing is measured.
    Reload,
}

/// How a plan came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChosenBy {
    /// It is the best of those measured on this machine.
    Measurement,
    /// Nothing was measured: the processor's features and its quota suggest it.
    Facts,
    /// The plan before it failed: the reason is in the log.
    Fallback,
}

impl ChosenBy {
    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Measurement => "measurement",
            Self::Facts => "facts",
            Self::Fallback => "fallback",
        }
    }
}

/// The engine that a predictor runs on, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineChoice {
    /// How the graph is run.
    pub plan: Plan,
    /// How the plan came about.
    pub chosen_by: ChosenBy,
    /// What it gave, where it was measured.
    pub measured: Option<Measurement>,
    /// The largest difference of a probability from f32 on the golden photographs; `None` where they disagree.
    pub golden_max_difference: Option<f32>,
}

/// Opens bundles with the engine that suits this machine.
#[derive(Debug, Clone)]
pub struct EngineChooser {
    folder: Folder,
    wishes: Wishes,
    limits: Limits,
}

/// A bundle, its graph and the machine it is to run on.
struct Subject {
    bundle: Bundle,
    topology: String,
    machine: Machine,
}

impl EngineChooser {
    /// Records and compiled graphs are kept in `folder`, which is made when there is something to keep.
    pub fn new(folder: impl Into<PathBuf>, wishes: Wishes) -> Self {
        Self {
            folder: Folder::new(folder),
            wishes,
            limits: Limits::default(),
        }
    }

    /// The same for many photographs that nobody waits for: they share the cores, one each, which is the most of them per
    /// second. What is wished goes first.
    #[must_use]
    pub fn for_files(mut self) -> Self {
        let Wishes {
            streams, threads, ..
        } = &mut self.wishes;
        if streams.is_none() && threads.is_none() {
            *streams = NonZeroUsize::new(usable_cores());
            *threads = Some(NonZeroUsize::MIN);
        }
        self
    }

    /// Opens a bundle and sees whether it answers as f32 does on its golden photographs; where the plan does not, the
    /// bundle is opened in f32. Whether it answers as it should at all is [`Predictor::warm_up`]'s to say.
    ///
    /// # Errors
    /// The bundle or the library cannot be used, or the wishes contradict the machine.
    pub fn open(&self, bundle_dir: &Path, occasion: Occasion) -> Result<Predictor, PredictError> {
        let subject = Subject::of(bundle_dir)?;
        let record = self.record(&subject, occasion)?;
        let best = record.as_ref().and_then(|record| record.best(&self.wishes));
        let (plan, chosen_by) = match best {
            Some(found) => (found.plan.clone(), ChosenBy::Measurement),
            None => (
                Plan::unmeasured(&subject.machine, &self.wishes)?,
                ChosenBy::Facts,
            ),
        };
        let (mut predictor, plan, fell_back) = self.open_as_planned(&subject, plan)?;
        let measured = record.and_then(|record| record.of_plan(&plan).cloned());
        let chosen_by = if fell_back {
            ChosenBy::Fallback
        } else {
            chosen_by
        };
        let choice = EngineChoice {
            golden_max_difference: predictor.golden_max_difference(),
            plan,
            chosen_by,
            measured,
        };
        tracing::info!(
            plan = %choice.plan,
            chosen_by = choice.chosen_by.name(),
            latency_ms = choice.measured.as_ref().map(|found| found.latency_ms),
            photographs_per_second =
                choice.measured.as_ref().map(|found| found.photographs_per_second),
            golden_max_difference = choice.golden_max_difference.map(f64::from),
            cores = subject.machine.cores,
            "engine chosen"
        );
        predictor.set_choice(choice);
        self.folder.forget_old_graphs();
        Ok(predictor)
    }

    /// The record of this graph; on a first start without one, a quick measurement.
    fn record(
        &self,
        subject: &Subject,
        occasion: Occasion,
    ) -> Result<Option<Record>, PredictError> {
        let found = self
            .folder
            .records()
            .read(&subject.topology, &subject.machine);
        let is_enough = |record: &Record| record.best(&self.wishes).is_some();
        if occasion == Occasion::Reload || found.as_ref().is_some_and(is_enough) {
            return Ok(found);
        }
        self.measure_quickly(subject, found)
    }

    fn open_as_planned(
        &self,
        subject: &Subject,
        plan: Plan,
    ) -> Result<(Predictor, Plan, bool), PredictError> {
        let opened = match self.known_to_differ(subject, &plan) {
            Some(report) => Ok(Some(report)),
            None => match self.open_plan(subject, &plan) {
                Ok(predictor) => {
                    let difference = self.prove(&predictor, subject, &plan)?;
                    if difference.is_none() {
                        return Ok((predictor, plan, false));
                    }
                    Ok(difference)
                }
                Err(PredictError::Engine(error)) => Err(error),
                Err(other) => return Err(other),
            },
        };
        let next = match opened {
            Ok(_) if plan.precision == Precision::F32 => {
                // In f32 there is no excuse: the warm-up says which photograph is answered otherwise.
                let predictor = self.open_plan(subject, &plan)?;
                return Ok((predictor, plan, false));
            }
            Ok(report) => {
                tracing::warn!(
                    precision = plan.precision.name(),
                    report,
                    "this precision changes answers on the golden photographs, f32 is used"
                );
                plan.in_f32()
            }
            Err(error) if plan.provider == Provider::Cpu || self.wishes.provider.is_some() => {
                return Err(error.into());
            }
            Err(error) => {
                tracing::warn!(
                    provider = plan.provider.name(),
                    %error,
                    "this execution provider cannot load the graph, ONNX Runtime's own is used"
                );
                Plan {
                    provider: Provider::Cpu,
                    ..plan.in_f32()
                }
            }
        };
        self.open_as_planned(subject, next)
            .map(|(predictor, plan, _)| (predictor, plan, true))
    }

    fn open_plan(&self, subject: &Subject, plan: &Plan) -> Result<Predictor, PredictError> {
        let open = |engine: EngineOptions| {
            let options = PredictorOptions {
                engine,
                n_sessions: plan.streams,
                batch: plan.batch,
                limits: self.limits,
            };
            Predictor::of_bundle(subject.bundle.clone(), &options)
        };
        let options = self.session_options(plan);
        let keeps_compiled = plan.provider == Provider::OpenVino && options.compiled_dir.is_some();
        if !keeps_compiled {
            return open(options);
        }
        let turn = self.folder.take_turn();
        let opened = open(options.clone());
        drop(turn);
        let Err(PredictError::Engine(error)) = opened else {
            return opened;
        };
        // What was compiled before may be damaged, or the disk full.
        let without = open(EngineOptions {
            compiled_dir: None,
            ..options
        });
        if without.is_ok() {
            tracing::warn!(
                folder = %self.folder.path().display(), %error,
                "the graph could be loaded only without the compiled ones that are kept there; remove that folder if this goes on"
            );
        }
        without
    }

    fn session_options(&self, plan: &Plan) -> EngineOptions {
        EngineOptions {
            threads: plan.threads,
            provider: plan.provider,
            precision: plan.precision,
            batch: Some(NonZeroUsize::MIN),
            compiled_dir: self.folder.compiled(),
        }
    }

    /// `None` when the golden photographs agree, else the report. What was proven before of the same model, engine
    /// and plan on this machine is not asked again; the warm-up still asks a few.
    fn prove(
        &self,
        predictor: &Predictor,
        subject: &Subject,
        plan: &Plan,
    ) -> Result<Option<String>, PredictError> {
        let Ok(key) = Proofs::key(subject, plan) else {
            // Golden photographs that do not fit the bundle: the warm-up says what is wrong with them.
            return Ok(None);
        };
        if let Some(Proof::Agrees { max_difference }) = self.folder.proofs().find(&key) {
            predictor.trust_golden(max_difference);
            return Ok(None);
        }
        let (proof, report) = match predictor.prove(GOLDEN_TOLERANCE) {
            Ok(GoldenReport { max_difference, .. }) => (Proof::Agrees { max_difference }, None),
            Err(PredictError::Golden { report }) => {
                let differs = Proof::Differs {
                    report: report.clone(),
                };
                (differs, Some(report))
            }
            Err(other) => return Err(other),
        };
        // In f32 a difference is the model's fault, which the warm-up refuses each time.
        let is_worth_keeping = report.is_none() || plan.precision != Precision::F32;
        if is_worth_keeping && self.folder.is_writable() {
            self.folder.proofs().keep(&key, &proof);
        }
        Ok(report)
    }

    /// The report, where this plan is known to change answers: it is not loaded again to find the same.
    fn known_to_differ(&self, subject: &Subject, plan: &Plan) -> Option<String> {
        if plan.precision == Precision::F32 {
            return None;
        }
        match self
            .folder
            .proofs()
            .find(&Proofs::key(subject, plan).ok()?)?
        {
            Proof::Differs { report } => Some(report),
            Proof::Agrees { .. } => None,
        }
    }
}

impl Subject {
    fn of(bundle_dir: &Path) -> Result<Self, PredictError> {
        let bundle = Bundle::open(bundle_dir)?;
        let model = bundle.model_path();
        let bytes = std::fs::read(&model).map_err(|source| PredictError::Read {
            path: model.clone(),
            source,
        })?;
        let topology = topology_digest(&bytes).ok_or_else(|| {
            let (model, reason) = (
                model.display().to_string(),
                "it is no ONNX graph".to_owned(),
            );
            EngineError::Model { model, reason }
        })?;
        Ok(Self {
            machine: Machine::here()?,
            topology,
            bundle,
        })
    }
}
