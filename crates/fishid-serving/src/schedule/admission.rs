//! Who gets a place: whoever is expected to be answered in time without making another one late.

use std::time::{Duration, Instant};

use super::forecast::{Forecast, Progress};
use super::{Claim, Dropped, Entry, Newcomer, Refusal, Schedule, Slot, Stage};
use crate::model::Effort;

/// A photograph is admitted if it is expected within this share of the time it has: measured means are
/// exceeded half of the time, and what is answered too late was work for nothing.
const HEADROOM: f64 = 0.9;

/// Estimates from a worse time would never be measured again; so an idle service tries one photograph this often that
/// they would refuse. More often, callers who have too little time would be worked for in vain.
const PROBE_INTERVAL: Duration = Duration::from_millis(50);

/// Of a photograph, for a `Retry-After` before anything was measured.
const FIRST_GUESS: Duration = Duration::from_millis(100);

impl<D: Claim, I: Claim> Schedule<D, I> {
    /// Gives a place in line, unless the photograph could not be answered by then, or another one that has
    /// its place would not be because of it. Before anyone is refused, the line is swept.
    pub(crate) fn admit(
        &mut self,
        now: Instant,
        newcomer: Newcomer<D>,
        dropped: &mut Vec<Dropped<D, I>>,
    ) -> Result<(), Refusal> {
        let Newcomer {
            deadline,
            effort,
            photo,
        } = newcomer;
        let slot = Slot {
            deadline,
            number: self.next_number,
        };
        let judged = self.judge(now, slot, &effort).or_else(|refusal| {
            let swept = self.sweep(now);
            if swept.is_empty() {
                return Err(refusal);
            }
            dropped.extend(swept);
            self.judge(now, slot, &effort)
        });
        let (forecast, is_probe) = match judged {
            Ok(forecast) => (forecast, false),
            Err(_) if self.len() == 0 && deadline > now && self.is_probe_due(now) => {
                self.last_probe = Some(now);
                (Duration::ZERO, true)
            }
            Err(refusal) => return Err(refusal),
        };
        self.next_number += 1;
        let stage = Stage::Waiting(photo);
        self.line.insert(
            slot,
            Entry {
                effort,
                admitted: now,
                forecast,
                is_probe,
                stage,
            },
        );
        Ok(())
    }

    fn is_probe_due(&self, now: Instant) -> bool {
        self.last_probe
            .is_none_or(|last| now.saturating_duration_since(last) >= PROBE_INTERVAL)
    }

    /// How long until all that was accepted is answered; a guess while no photograph was answered yet.
    pub(crate) fn time_to_answer_all(&self, now: Instant) -> Duration {
        if self.estimates.photograph().is_zero() {
            let n_each = self.len().div_ceil(self.limits.inference_threads.max(1));
            return FIRST_GUESS.saturating_mul(u32::try_from(n_each).unwrap_or(u32::MAX));
        }
        let mut forecast = self.forecast(now);
        let mut last = forecast.streams.iter().copied().fold(now, Instant::max);
        for entry in self.line.values() {
            last = last.max(forecast.next(self.progress(entry)));
        }
        self.pace.stretch(last - now)
    }

    /// The forecast of a newcomer's answer, before it is stretched.
    fn judge(&self, now: Instant, slot: Slot, effort: &Effort) -> Result<Duration, Refusal> {
        let accepted = self.len();
        if accepted >= self.limits.capacity {
            let wait = self.time_to_answer_all(now);
            return Err(Refusal::Full { accepted, wait });
        }
        let in_time = |slot: Slot, finish: Instant| {
            let has = slot.deadline.saturating_duration_since(now);
            self.pace.stretch(finish - now) <= has.mul_f64(HEADROOM)
        };
        let refusal = |slot: Slot, finish: Instant| {
            let expected = self.pace.stretch(finish - now);
            let has = slot.deadline.saturating_duration_since(now);
            let wait = expected.div_f64(HEADROOM).saturating_sub(has);
            Refusal::Late { expected, wait }
        };
        let mut with = self.forecast(now);
        for entry in self.line.range(..slot).map(|(_, entry)| entry) {
            with.next(self.progress(entry));
        }
        let mut without = with.clone();
        let mut finish = with.next(Progress::Waits(self.estimates.decode(effort)));
        let mut behind = self.line.range(slot..).peekable();
        if behind.peek().is_some() {
            // One of those may just have begun when this one comes to the model.
            finish += self.estimates.photograph();
        }
        if !in_time(slot, finish) {
            return Err(refusal(slot, finish));
        }
        for (&behind, entry) in behind {
            let progress = self.progress(entry);
            let (before, after) = (without.next(progress), with.next(progress));
            if in_time(behind, before) && !in_time(behind, after) {
                return Err(refusal(behind, after));
            }
        }
        Ok(finish - now)
    }

    fn forecast(&self, now: Instant) -> Forecast {
        let occupies = self.estimates.photograph();
        let answered_after = self.estimates.run();
        let mut streams: Vec<Instant> = self
            .runs
            .iter()
            .map(|run| now.max(run.since + answered_after))
            .collect();
        streams.resize(self.limits.inference_threads.max(streams.len()), now);
        // Those at work are free when their photograph is decoded, which `next` is told with it.
        let mut decoders: Vec<Instant> = self
            .line
            .values()
            .filter_map(|entry| match entry.stage {
                Stage::Decoding { since } => {
                    Some(now.max(since + self.estimates.decode(&entry.effort)))
                }
                _ => None,
            })
            .collect();
        decoders.resize(self.limits.decode_threads.max(decoders.len()), now);
        Forecast {
            now,
            decoders,
            streams,
            occupies,
            answered_after,
        }
    }

    fn progress(&self, entry: &Entry<D, I>) -> Progress {
        let takes = self.estimates.decode(&entry.effort);
        match entry.stage {
            Stage::Waiting(_) => Progress::Waits(takes),
            Stage::Decoding { since } => Progress::DecodedAt(since + takes),
            Stage::Decoded(_) => Progress::Decoded,
        }
    }
}
