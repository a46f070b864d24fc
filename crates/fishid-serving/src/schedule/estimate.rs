//! What photographs took lately: of decoding per unit of work, by kind and size; of the model per
//! photograph. What was never measured is taken to cost nothing, so that a guess refuses nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::Effort;

/// Weight of the newest measurement in a moving mean.
const NEWEST: f64 = 0.2;
/// A measurement counts as at most this many times the mean, and at least its reciprocal: one stall of the
/// machine must not close the door, while a lasting change gets through within a few photographs.
const FURTHEST: f64 = 4.0;

/// A moving mean that single measurements cannot drag far.
#[derive(Debug, Clone, Copy, Default)]
struct Mean(Option<f64>);

impl Mean {
    fn record(&mut self, value: f64) {
        self.0 = Some(match self.0 {
            Some(mean) if mean > 0.0 => {
                let value = value.clamp(mean / FURTHEST, mean * FURTHEST);
                mean + NEWEST * (value - mean)
            }
            _ => value,
        });
    }

    /// The same for what was worked on with nothing beside it: what is better than the mean takes its place.
    fn record_alone(&mut self, value: f64) {
        match self.0 {
            Some(mean) if value < mean => self.0 = Some(value),
            _ => self.record(value),
        }
    }

    fn record_as(&mut self, value: f64, is_probe: bool) {
        if is_probe {
            self.record_alone(value);
        } else {
            self.record(value);
        }
    }
}

/// Weight of the newest answer in [`Pace`].
const NEWEST_ANSWER: f64 = 0.05;
/// The most that forecasts are stretched by.
const SLOWEST: f64 = 3.0;

/// How much longer the line takes than was forecast. What the means cannot know is in it: other work on the
/// same processors, callers who overtake. Long waits count for more than short ones.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    taken: f64,
    forecast: f64,
}

impl Pace {
    pub(crate) fn record(&mut self, forecast: Duration, taken: Duration) {
        // Nothing had been measured yet.
        if forecast.is_zero() {
            return;
        }
        self.taken += NEWEST_ANSWER * (taken.as_secs_f64() - self.taken);
        self.forecast += NEWEST_ANSWER * (forecast.as_secs_f64() - self.forecast);
    }

    /// A forecast by this pace; never shorter than it was.
    pub(crate) fn stretch(&self, forecast: Duration) -> Duration {
        if self.forecast > 0.0 {
            forecast.mul_f64((self.taken / self.forecast).clamp(1.0, SLOWEST))
        } else {
            forecast
        }
    }
}

/// Kind of photograph, and the power of two its work lies under.
type Class = (u8, u32);

/// The moving means of both stages.
#[derive(Debug, Default)]
pub(crate) struct Estimates {
    /// Seconds per unit of work. Means of powers of two, because a fixed price per pixel misjudges either
    /// the small photographs or the large ones.
    decode: BTreeMap<Class, Mean>,
    /// Seconds of a run of the model.
    run: Mean,
    /// The same divided by the photographs in it.
    photograph: Mean,
}

fn class(effort: &Effort) -> Class {
    (effort.kind, effort.work.max(1).ilog2())
}

fn seconds(seconds: f64) -> Duration {
    // Never negative, and a mean of durations is none too long for a `Duration`.
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

impl Estimates {
    /// A probe was let in against the estimates, with nobody else in line.
    pub(crate) fn record_decode(&mut self, effort: &Effort, took: Duration, is_probe: bool) {
        let rate = took.as_secs_f64() / effort.work.max(1) as f64;
        let mean = self.decode.entry(class(effort)).or_default();
        mean.record_as(rate, is_probe);
    }

    pub(crate) fn record_run(&mut self, n_photographs: usize, took: Duration, has_probe: bool) {
        let took = took.as_secs_f64();
        self.run.record_as(took, has_probe);
        self.photograph
            .record_as(took / n_photographs.max(1) as f64, has_probe);
    }

    /// Decoding and resizing, from photographs of the same kind and the nearest size.
    pub(crate) fn decode(&self, effort: &Effort) -> Duration {
        let (kind, size) = class(effort);
        let smaller = self.decode.range((kind, 0)..=(kind, size)).next_back();
        let larger = self.decode.range((kind, size)..=(kind, u32::MAX)).next();
        let nearest = smaller
            .into_iter()
            .chain(larger)
            .min_by_key(|((_, found), _)| found.abs_diff(size));
        let rate = nearest.and_then(|(_, mean)| mean.0).unwrap_or(0.0);
        seconds(rate * effort.work as f64)
    }

    /// From a photograph's turn at the model to its answer.
    pub(crate) fn run(&self) -> Duration {
        seconds(self.run.0.unwrap_or(0.0))
    }

    /// How long one photograph occupies a stream of the model.
    pub(crate) fn photograph(&self) -> Duration {
        seconds(self.photograph.0.unwrap_or(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn effort(kind: u8, work: u64) -> Effort {
        Effort {
            kind,
            work,
            memory_bytes: 0,
        }
    }

    #[test]
    fn sizes_and_kinds_are_told_apart_and_what_is_new_goes_by_its_nearest() {
        let mut estimates = Estimates::default();
        assert_eq!(estimates.decode(&effort(0, 1_000)), Duration::ZERO);
        estimates.record_decode(&effort(0, 1_000_000), 4 * MS, false);
        estimates.record_decode(&effort(0, 12_000_000), 24 * MS, false);
        estimates.record_decode(&effort(1, 1_000_000), 20 * MS, false);
        for (kind, work, expected) in [
            (0, 1_000_000, 4 * MS),
            (0, 12_000_000, 24 * MS),
            (0, 24_000_000, 48 * MS),
            (0, 500_000, 2 * MS),
            (1, 1_000_000, 20 * MS),
            (1, 2_000_000, 40 * MS),
            (2, 1_000_000, Duration::ZERO),
        ] {
            let found = estimates.decode(&effort(kind, work));
            assert!(
                found.abs_diff(expected) < Duration::from_micros(1),
                "{kind} {work}: {found:?}"
            );
        }
    }

    #[test]
    fn one_stall_moves_an_estimate_little_and_a_lasting_change_soon() {
        let mut estimates = Estimates::default();
        for _ in 0..20 {
            estimates.record_run(1, 40 * MS, false);
        }
        estimates.record_run(1, 60_000 * MS, false);
        assert!(estimates.run() < 65 * MS, "{:?}", estimates.run());
        for _ in 0..20 {
            estimates.record_run(1, 400 * MS, false);
        }
        assert!(estimates.run() > 350 * MS, "{:?}", estimates.run());
    }

    #[test]
    fn what_was_tried_alone_corrects_an_estimate_from_a_worse_time_at_once() {
        let mut estimates = Estimates::default();
        estimates.record_run(1, 60_000 * MS, false);
        estimates.record_decode(&effort(0, 1_000), 60_000 * MS, false);
        estimates.record_run(1, 40 * MS, true);
        estimates.record_decode(&effort(0, 1_000), 4 * MS, true);
        assert_eq!(estimates.run(), 40 * MS);
        assert_eq!(estimates.photograph(), 40 * MS);
        assert_eq!(estimates.decode(&effort(0, 1_000)), 4 * MS);
        // A worse one is a measurement like any other.
        estimates.record_run(1, 60_000 * MS, true);
        assert!(estimates.run() < 65 * MS, "{:?}", estimates.run());
    }

    #[test]
    fn a_line_that_takes_longer_than_forecast_stretches_the_next_forecasts() {
        let mut pace = Pace::default();
        assert_eq!(pace.stretch(100 * MS), 100 * MS);
        pace.record(Duration::ZERO, 50 * MS);
        assert_eq!(pace.stretch(100 * MS), 100 * MS, "that was no forecast");
        for _ in 0..100 {
            pace.record(40 * MS, 80 * MS);
            pace.record(1_000 * MS, 1_200 * MS);
        }
        let stretched = pace.stretch(100 * MS);
        assert!((120 * MS..130 * MS).contains(&stretched), "{stretched:?}");
        for _ in 0..200 {
            pace.record(1_000 * MS, 500 * MS);
        }
        assert_eq!(pace.stretch(100 * MS), 100 * MS);
    }

    #[test]
    fn a_batch_is_shared_by_its_photographs() {
        let mut estimates = Estimates::default();
        estimates.record_run(4, 80 * MS, false);
        assert_eq!(estimates.run(), 80 * MS);
        assert_eq!(estimates.photograph(), 20 * MS);
    }
}
