//! Measuring plans with a bundle: quickly at a first start, thoroughly for `fishid tune`.

use std::path::Path;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fishid_engine::{
    EngineError, Extent, Goal, Machine, Measured, Measurement, ModelSource, Plan, Precision,
    Provider, Record, Wishes, measure, measure_by_turns,
};

use super::{EngineChooser, Subject};
use crate::PredictError;

/// A first start spends about this much on one plan, and begins no other once [`QUICK_LAST_START`] is past, so that it
/// all ends within 3 s.
const QUICK_PER_PLAN: Duration = Duration::from_millis(300);
/// A first start is measured in a moment of a busy machine: only what is so much faster takes the suggestion's place.
const PLAINLY_FASTER: f64 = 1.25;
const QUICK_LAST_START: Duration = Duration::from_millis(1_300);
/// Batches that are tried; larger ones were slower per photograph wherever these were.
const BATCHES: [usize; 2] = [2, 4];

/// How `fishid tune` measures.
#[derive(Debug, Clone, Copy)]
pub struct TuneOptions {
    /// What the plan is to be good at.
    pub goal: Goal,
    /// Time for each plan, loading not counted.
    pub per_plan: Duration,
}

/// What `fishid tune` found.
#[derive(Debug)]
pub struct Tuned {
    /// This machine.
    pub machine: Machine,
    /// The plan that will be used.
    pub chosen: Plan,
    /// Every plan that was measured.
    pub measured: Vec<Measurement>,
    /// Plans that could not be used, and why.
    pub refused: Vec<(Plan, String)>,
    /// Where the result is kept.
    pub kept_in: PathBuf,
}

impl EngineChooser {
    /// Measures precision, streams × threads and batch, then the suggestion and the two best others once more by turns, and keeps the result for
    /// every model of this topology on this machine. `progress` hears each result.
    ///
    /// # Errors
    /// As [`EngineChooser::open`]; no plan can be used; the record cannot be written.
    pub fn tune(
        &self,
        bundle_dir: &Path,
        TuneOptions { goal, per_plan }: TuneOptions,
        mut progress: impl FnMut(&Plan, Result<&Measurement, &str>),
    ) -> Result<Tuned, PredictError> {
        let subject = Subject::of(bundle_dir)?;
        // What would make it all vain is told before anything is measured.
        let suggested = Plan::unmeasured(&subject.machine, &self.wishes)?;
        let not_kept = |source| PredictError::Read {
            path: self.folder.path().to_path_buf(),
            source,
        };
        self.folder.try_to_write().map_err(not_kept)?;
        let model = subject.bundle.model_path();
        let mut measured: Vec<Measurement> = Vec::new();
        let mut refused = Vec::new();
        let mut note = |plan: Plan, outcome: Result<Measurement, String>| match outcome {
            Ok(found) => {
                progress(&plan, Ok(&found));
                measured.push(found);
            }
            Err(reason) => {
                progress(&plan, Err(&reason));
                refused.push((plan, reason));
            }
        };
        for (provider, precision) in self.kinds(&subject.machine) {
            // What changes answers is not worth measuring.
            let alone = plan_of(provider, precision, 1, subject.machine.cores, 1);
            if let Err(reason) = self.can_answer(&subject, &alone)? {
                note(alone, Err(reason));
                continue;
            }
            for plan in self.plans(provider, precision, subject.machine.cores) {
                let options = self.session_options(&plan);
                let found = measure(&ModelSource::File(&model), &plan, &options, per_plan);
                note(plan, found.map_err(|error| error.to_string()));
            }
        }
        let mut found = Measured {
            wishes: self.wishes.clone(),
            extent: Extent::Full,
            goal,
            plans: measured,
            by_turns: Vec::new(),
        };
        self.decide_by_turns(&model, &suggested, &mut found, per_plan, progress)?;
        let Some(chosen) = found.best(&self.wishes).map(|found| found.plan.clone()) else {
            let reasons: Vec<String> = refused
                .iter()
                .map(|(plan, reason)| format!("{plan}: {reason}"))
                .collect();
            let reason = format!("no plan can be used: {}", reasons.join("; "));
            return Err(EngineError::Wish { reason }.into());
        };
        let records = self.folder.records();
        let before = records.read(&subject.topology, &subject.machine);
        let mut record = before.unwrap_or_else(Record::empty);
        record.keep(found.clone());
        let kept_in = records
            .write(&subject.topology, &subject.machine, &record)
            .map_err(not_kept)?;
        Ok(Tuned {
            machine: subject.machine,
            chosen,
            measured: [found.by_turns, found.plans].concat(),
            refused,
            kept_in,
        })
    }

    /// Plans are measured one after the other, while the machine may grow faster or slower: the suggestion and the two
    /// best of the others are compared by turns before one of them is taken for good.
    fn decide_by_turns(
        &self,
        model: &Path,
        suggested: &Plan,
        measured: &mut Measured,
        per_plan: Duration,
        mut progress: impl FnMut(&Plan, Result<&Measurement, &str>),
    ) -> Result<(), PredictError> {
        let with_options = |plan: Plan| {
            let options = self.session_options(&plan);
            (plan, options)
        };
        let rivals = rivals(measured, &self.wishes, suggested).into_iter();
        let rivals: Vec<_> = rivals.map(with_options).collect();
        if rivals.len() < 2 {
            return Ok(());
        }
        for found in measure_by_turns(&ModelSource::File(model), &rivals, per_plan)? {
            progress(&found.plan, Ok(&found));
            measured.plans.retain(|before| before.plan != found.plan);
            measured.by_turns.push(found);
        }
        Ok(())
    }

    /// Why the bundle cannot answer by this plan.
    fn can_answer(
        &self,
        subject: &Subject,
        plan: &Plan,
    ) -> Result<Result<(), String>, PredictError> {
        match self.open_plan(subject, plan) {
            Ok(predictor) => {
                let report = self.prove(&predictor, subject, plan)?;
                Ok(report.map_or(Ok(()), |report| {
                    Err(format!(
                        "changes answers on the golden photographs: {report}"
                    ))
                }))
            }
            Err(PredictError::Engine(error)) => Ok(Err(error.to_string())),
            Err(other) => Err(other),
        }
    }

    /// Providers and precisions that the wishes and the machine allow.
    fn kinds(&self, machine: &Machine) -> Vec<(Provider, Precision)> {
        let mut kinds = vec![(Provider::Cpu, Precision::F32)];
        if machine.has_openvino {
            kinds.insert(0, (Provider::OpenVino, Precision::F32));
            if machine.has_native_bf16() || self.wishes.precision == Some(Precision::Bf16) {
                kinds.insert(0, (Provider::OpenVino, Precision::Bf16));
            }
        }
        if self.wishes.provider == Some(Provider::Cuda) {
            kinds = vec![(Provider::Cuda, Precision::F32)];
        }
        let wished = |kind: &(Provider, Precision)| {
            self.wishes.provider.is_none_or(|wish| wish == kind.0)
                && self.wishes.precision.is_none_or(|wish| wish == kind.1)
        };
        kinds.retain(wished);
        kinds
    }

    /// Streams that share the cores out evenly, and batches for one stream.
    fn plans(&self, provider: Provider, precision: Precision, cores: usize) -> Vec<Plan> {
        let plan = |streams: usize, batch| {
            plan_of(
                provider,
                precision,
                streams,
                (cores / streams).max(1),
                batch,
            )
        };
        let powers = (0..usize::BITS).map(|power| 1_usize << power);
        let mut plans: Vec<Plan> = powers
            .take_while(|&streams| streams <= cores)
            .map(|streams| plan(streams, 1))
            .collect();
        if !cores.is_power_of_two() {
            plans.push(plan(cores, 1));
        }
        plans.extend(BATCHES.map(|batch| plan(1, batch)));
        let wish = |wished: Option<std::num::NonZeroUsize>| wished.map(std::num::NonZeroUsize::get);
        for plan in &mut plans {
            plan.streams = wish(self.wishes.streams).unwrap_or(plan.streams);
            plan.threads = wish(self.wishes.threads).unwrap_or(plan.threads);
            plan.batch = wish(self.wishes.batch).unwrap_or(plan.batch);
        }
        let mut seen = std::collections::HashSet::new();
        plans.retain(|plan| seen.insert(plan.clone()));
        plans
    }

    /// The plan that the facts suggest, and while there is time one of half as many threads beside it, by turns: where two
    /// of the cores are one, more threads only wait for each other. Neither provider nor precision is changed in a hurry.
    pub(super) fn measure_quickly(
        &self,
        subject: &Subject,
        known: Option<Record>,
    ) -> Result<Option<Record>, PredictError> {
        let started = Instant::now();
        let suggested = Plan::unmeasured(&subject.machine, &self.wishes)?;
        let model = subject.bundle.model_path();
        let source = ModelSource::File(&model);
        let options = self.session_options(&suggested);
        let alone = match measure(&source, &suggested, &options, QUICK_PER_PLAN) {
            Ok(found) => found,
            Err(error) => {
                // Opening it will fail the same way, and falls back.
                tracing::warn!(plan = %suggested, %error, "this plan cannot be measured");
                return Ok(known);
            }
        };
        let half = Plan {
            threads: suggested.threads / 2,
            ..suggested.clone()
        };
        let is_choice = half.threads > 0 && self.wishes.are_met_by(&half);
        let mut best = alone;
        if is_choice && started.elapsed() < QUICK_LAST_START {
            let rivals = [suggested, half].map(|plan| {
                let options = self.session_options(&plan);
                (plan, options)
            });
            if let Ok(found) = measure_by_turns(&source, &rivals, QUICK_PER_PLAN) {
                best = the_suggestion_or_better(found, best);
            }
        }
        let mut record = known.unwrap_or_else(Record::empty);
        record.keep(Measured {
            wishes: self.wishes.clone(),
            extent: Extent::Quick,
            goal: Goal::default(),
            plans: vec![best],
            by_turns: Vec::new(),
        });
        if self.folder.is_writable()
            && let Err(error) =
                self.folder
                    .records()
                    .write(&subject.topology, &subject.machine, &record)
        {
            tracing::warn!(folder = %self.folder.path().display(), %error, "cannot keep what was measured, the next start measures again");
        }
        tracing::info!(
            took_ms = started.elapsed().as_millis() as u64,
            "engine measured for the first time; `fishid tune` does it thoroughly"
        );
        Ok(Some(record))
    }
}

/// The suggestion, which a slow moment of the machine must not rule out, and the two best of the others.
fn rivals(measured: &Measured, wishes: &Wishes, suggested: &Plan) -> Vec<Plan> {
    let mut others = measured.clone();
    let mut rivals = Vec::new();
    if measured.plans.iter().any(|found| found.plan == *suggested) {
        others.plans.retain(|found| found.plan != *suggested);
        rivals.push(suggested.clone());
    }
    let most = rivals.len() + 2;
    while let (true, Some(best)) = (rivals.len() < most, others.best(wishes)) {
        let plan = best.plan.clone();
        others.plans.retain(|found| found.plan != plan);
        rivals.push(plan);
    }
    rivals
}

/// Of the suggestion and its rival, in that order, the one to take.
fn the_suggestion_or_better(found: Vec<Measurement>, otherwise: Measurement) -> Measurement {
    let mut found = found.into_iter();
    let suggestion = found.next().unwrap_or(otherwise);
    match found.next() {
        Some(rival) if rival.latency_ms * PLAINLY_FASTER <= suggestion.latency_ms => rival,
        _ => suggestion,
    }
}

fn plan_of(
    provider: Provider,
    precision: Precision,
    streams: usize,
    threads: usize,
    batch: usize,
) -> Plan {
    Plan {
        provider,
        precision,
        streams,
        threads,
        batch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suggestion_is_compared_by_turns_however_slow_its_moment_was() {
        let plan = |batch| plan_of(Provider::OpenVino, Precision::Bf16, 1, 2, batch);
        let found = |batch, latency_ms| Measurement {
            plan: plan(batch),
            latency_ms,
            photographs_per_second: 1e3 / latency_ms,
        };
        let measured = Measured {
            wishes: Wishes::default(),
            extent: Extent::Full,
            goal: Goal::Latency,
            plans: vec![
                found(1, 49.0),
                found(2, 44.0),
                found(4, 34.0),
                found(8, 40.0),
            ],
            by_turns: Vec::new(),
        };
        let batches = |suggested: &Plan| {
            let rivals = rivals(&measured, &Wishes::default(), suggested).into_iter();
            rivals.map(|plan| plan.batch).collect::<Vec<_>>()
        };
        assert_eq!(batches(&plan(1)), [1, 4, 8]);
        assert_eq!(batches(&plan(16)), [4, 8], "it could not be measured");
    }
}
