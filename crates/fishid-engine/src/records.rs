//! What was measured on this machine, kept under everything that it depends on: graph topology, processor, cores,
//! library. A retrained head leaves all of that unchanged, and so uses the record again.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::tune::best;
use crate::{Goal, Machine, Measurement, Plan, Wishes};

/// Changes when a record would be read otherwise than it was written.
const FORMAT: u32 = 3;

/// Measurements of one graph on one machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    format: u32,
    /// One for each set of wishes that was measured for.
    measured: Vec<Measured>,
}

/// What was measured for certain wishes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// What was asked for.
    pub wishes: Wishes,
    /// How thoroughly it was measured.
    pub extent: Extent,
    /// What the plans are wanted for, by `fishid tune --goal`.
    pub goal: Goal,
    /// Plans that were measured one after the other and answer as they should.
    pub plans: Vec<Measurement>,
    /// The best of them, measured again by turns. The machine may have been faster or slower by then, so these are
    /// compared with each other and with no other.
    pub by_turns: Vec<Measurement>,
}

/// How thoroughly was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Extent {
    /// One plan or two, by a first start in a hurry.
    Quick,
    /// All plans that meet the wishes, by `fishid tune`.
    Full,
}

impl Measured {
    /// The best plan among those that were asked for; `None` where none of them was measured.
    pub fn best(&self, wishes: &Wishes) -> Option<&Measurement> {
        let best_of = |measured: &'_ [Measurement]| {
            let asked_for: Vec<Measurement> = measured
                .iter()
                .filter(|found| wishes.are_met_by(&found.plan))
                .cloned()
                .collect();
            best(&asked_for, self.goal).map(|found| found.plan.clone())
        };
        let all = [&self.by_turns, &self.plans];
        all.into_iter().find_map(|measured| {
            let chosen = best_of(measured)?;
            measured.iter().find(|found| found.plan == chosen)
        })
    }
}

impl Record {
    /// A record of nothing yet.
    pub fn empty() -> Self {
        Self {
            format: FORMAT,
            measured: Vec::new(),
        }
    }

    /// Takes in what was measured, in place of what was measured before for the same wishes.
    pub fn keep(&mut self, measured: Measured) {
        self.measured
            .retain(|before| before.wishes != measured.wishes);
        self.measured.push(measured);
    }

    /// The best plan for these wishes: of what was measured for just them, else of a thorough measurement for fewer
    /// wishes, which covers them. What a first start measured in a hurry for other wishes says nothing about these.
    pub fn best(&self, wishes: &Wishes) -> Option<&Measurement> {
        let exact = self.measured.iter().filter(|it| it.wishes == *wishes);
        let covering = self
            .measured
            .iter()
            .filter(|it| it.extent == Extent::Full && it.wishes.are_among(wishes));
        exact.chain(covering).find_map(|it| it.best(wishes))
    }

    /// What this plan gave, for whatever wishes it was measured.
    pub fn of_plan(&self, plan: &Plan) -> Option<&Measurement> {
        let mut all = self
            .measured
            .iter()
            .flat_map(|it| it.by_turns.iter().chain(&it.plans));
        all.find(|found| found.plan == *plan)
    }
}

/// The folder that records are kept in.
#[derive(Debug, Clone)]
pub struct Records(PathBuf);

impl Records {
    /// The folder is made with the first record.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// The file of a graph's record on this machine.
    pub fn path(&self, topology: &str, machine: &Machine) -> PathBuf {
        // A struct of strings and numbers always has a JSON form.
        let machine = serde_json::to_string(machine).unwrap_or_default();
        let key = hex::encode(Sha256::digest(format!("{topology}\n{machine}")));
        self.0.join(format!("{}.json", &key[..32]))
    }

    /// The record of a graph; one that cannot be read is told in the log and counts as none.
    pub fn read(&self, topology: &str, machine: &Machine) -> Option<Record> {
        let path = self.path(topology, machine);
        let text = fs::read(&path).ok()?;
        match serde_json::from_slice::<Record>(&text) {
            Ok(record) if record.format == FORMAT => Some(record),
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "this record of measurements is broken and not used");
                None
            }
        }
    }

    /// Keeps a record in place of the one before.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn write(
        &self,
        topology: &str,
        machine: &Machine,
        record: &Record,
    ) -> std::io::Result<PathBuf> {
        let path = self.path(topology, machine);
        write_whole(&path, &serde_json::to_vec_pretty(record)?)?;
        Ok(path)
    }
}

/// Writes a file that is there whole or not at all.
///
/// # Errors
/// The folder cannot be made or written to.
pub fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|failed| failed.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Precision, Provider};
    use std::num::NonZeroUsize;

    fn machine(cores: usize) -> Machine {
        Machine {
            architecture: "x86_64".into(),
            processor: "test".into(),
            features: vec!["avx512bf16".into()],
            cores,
            library: "build".into(),
            has_openvino: true,
        }
    }

    fn measured(precision: Precision, streams: usize, latency_ms: f64, rate: f64) -> Measurement {
        let plan = Plan {
            provider: Provider::OpenVino,
            precision,
            streams,
            threads: 2 / streams,
            batch: 1,
        };
        Measurement {
            plan,
            latency_ms,
            photographs_per_second: rate,
        }
    }

    fn full(goal: Goal) -> Measured {
        let plans = vec![
            measured(Precision::F32, 1, 60.0, 16.0),
            measured(Precision::Bf16, 1, 38.0, 26.0),
            measured(Precision::Bf16, 2, 70.0, 29.0),
        ];
        Measured {
            wishes: Wishes::default(),
            extent: Extent::Full,
            goal,
            plans,
            by_turns: Vec::new(),
        }
    }

    fn record(goal: Goal) -> Record {
        let mut record = Record::empty();
        record.keep(full(goal));
        record
    }

    fn streams(n: usize) -> Wishes {
        Wishes {
            streams: NonZeroUsize::new(n),
            ..Wishes::default()
        }
    }

    #[test]
    fn a_record_is_found_again_only_for_the_same_graph_and_machine() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::new(folder.path().join("tuning"));
        assert_eq!(records.read("graph", &machine(2)), None);
        let written = record(Goal::Latency);
        let path = records.write("graph", &machine(2), &written).unwrap();
        assert_eq!(records.read("graph", &machine(2)), Some(written));
        assert_eq!(records.read("graph", &machine(4)), None);
        assert_eq!(records.read("other", &machine(2)), None);

        fs::write(&path, "{").unwrap();
        assert_eq!(records.read("graph", &machine(2)), None);
    }

    #[track_caller]
    fn check(goal: Goal, wishes: &Wishes, expected: Option<(Precision, usize)>) {
        let record = record(goal);
        let found = record.best(wishes).map(|found| &found.plan);
        assert_eq!(found.map(|plan| (plan.precision, plan.streams)), expected);
    }

    #[test]
    fn the_best_plan_depends_on_the_goal_and_obeys_the_wishes() {
        let none = Wishes::default();
        check(Goal::Latency, &none, Some((Precision::Bf16, 1)));
        check(Goal::Throughput, &none, Some((Precision::Bf16, 2)));
        let f32 = Wishes {
            precision: Some(Precision::F32),
            ..Wishes::default()
        };
        check(Goal::Throughput, &f32, Some((Precision::F32, 1)));
        check(Goal::Latency, &streams(8), None);
    }

    #[test]
    fn those_compared_by_turns_are_compared_with_no_other() {
        // The machine had half its speed when the best two were measured again: the third was not.
        let mut found = full(Goal::Latency);
        let again = measured(Precision::Bf16, 1, 76.0, 13.0);
        found.by_turns = vec![again.clone(), measured(Precision::Bf16, 2, 140.0, 14.0)];
        assert_eq!(found.best(&Wishes::default()), Some(&again));
        let f32 = Wishes {
            precision: Some(Precision::F32),
            ..Wishes::default()
        };
        assert_eq!(found.best(&f32), found.plans.first());
    }

    #[test]
    fn what_was_measured_in_a_hurry_counts_for_its_own_wishes_only() {
        let hurried = |wishes: Wishes, plan| Measured {
            wishes,
            extent: Extent::Quick,
            goal: Goal::Latency,
            plans: vec![plan],
            by_turns: Vec::new(),
        };
        let two = measured(Precision::Bf16, 2, 1.0, 1000.0);
        let mut record = Record::empty();
        record.keep(hurried(streams(2), two.clone()));
        assert_eq!(record.best(&streams(2)), Some(&two));
        assert_eq!(record.best(&Wishes::default()), None);
        assert_eq!(record.of_plan(&two.plan), Some(&two));

        // The thorough measurement covers more wishes; what was measured for just these still goes first.
        record.keep(full(Goal::Latency));
        let one = measured(Precision::Bf16, 1, 38.0, 26.0);
        assert_eq!(record.best(&Wishes::default()), Some(&one));
        assert_eq!(record.best(&streams(2)), Some(&two));
        assert_eq!(record.best(&streams(1)), Some(&one));

        let anew = measured(Precision::Bf16, 2, 5.0, 200.0);
        record.keep(hurried(streams(2), anew.clone()));
        assert_eq!(record.best(&streams(2)), Some(&anew));
    }
}
