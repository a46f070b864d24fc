//! What was measured on this machine, kept under everything that it depends on: graph topology, processor, cores,
//! library. A retrained head leaves all of that unchanged, and so uses the record again.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::tune::best;
use crate::{Goal, Machine, Measurement, Wishes};

/// Changes when a record would be read otherwise than it was written.
const FORMAT: u32 = 1;

/// Measurements of one graph on one machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    format: u32,
    /// How thoroughly it was measured.
    pub extent: Extent,
    /// What the plans are wanted for, by `fishid tune --goal`.
    pub goal: Goal,
    /// Every plan that was measured and answers as it should.
    pub measured: Vec<Measurement>,
}

/// How thoroughly a record was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Extent {
    /// Two or three plans, by a first start in a hurry.
    Quick,
    /// All plans, by `fishid tune`.
    Full,
}

impl Record {
    /// A record of these measurements.
    pub fn new(extent: Extent, goal: Goal, measured: Vec<Measurement>) -> Self {
        Self {
            format: FORMAT,
            extent,
            goal,
            measured,
        }
    }

    /// The best plan among those that were asked for; `None` where none of them was measured.
    pub fn best(&self, wishes: &Wishes) -> Option<&Measurement> {
        let asked_for: Vec<Measurement> = self
            .measured
            .iter()
            .filter(|found| wishes.are_met_by(&found.plan))
            .cloned()
            .collect();
        let chosen = best(&asked_for, self.goal)?.plan.clone();
        self.measured.iter().find(|found| found.plan == chosen)
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
    use crate::{Plan, Precision, Provider};
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

    fn record(goal: Goal) -> Record {
        let measured = vec![
            measured(Precision::F32, 1, 60.0, 16.0),
            measured(Precision::Bf16, 1, 38.0, 26.0),
            measured(Precision::Bf16, 2, 70.0, 29.0),
        ];
        Record::new(Extent::Full, goal, measured)
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
        let never_measured = Wishes {
            streams: NonZeroUsize::new(8),
            ..Wishes::default()
        };
        check(Goal::Latency, &never_measured, None);
    }
}
