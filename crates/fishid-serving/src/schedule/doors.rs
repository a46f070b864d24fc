//! The doors of both stages: who is taken next, who is dropped there undone, and what is learnt when work
//! is done.

use std::time::{Duration, Instant};

use super::{Batch, Claim, Dropped, Entry, Pace, Run, Schedule, Slot, Stage};
use crate::model::Effort;

impl<D: Claim, I: Claim> Schedule<D, I> {
    /// Whether there is nothing to be gained by working on it.
    fn is_lost(&self, now: Instant, slot: Slot, entry: &Entry<D, I>) -> bool {
        let (has_left, left_to_do) = match &entry.stage {
            Stage::Waiting(photo) => (
                photo.has_left(),
                self.estimates.decode(&entry.effort) + self.estimates.run(),
            ),
            Stage::Decoded(input) => (input.has_left(), self.estimates.run()),
            Stage::Decoding { .. } => return false,
        };
        let left_to_do = if entry.is_probe {
            Duration::ZERO
        } else {
            left_to_do
        };
        has_left || now >= slot.deadline || now + left_to_do > slot.deadline
    }

    /// Takes out whatever has become pointless.
    pub(crate) fn sweep(&mut self, now: Instant) -> Vec<Dropped<D, I>> {
        let lost: Vec<Slot> = self
            .line
            .iter()
            .filter(|(slot, entry)| self.is_lost(now, **slot, entry))
            .map(|(slot, _)| *slot)
            .collect();
        lost.into_iter()
            .filter_map(|slot| self.drop_lost(now, slot))
            .collect()
    }

    fn drop_lost(&mut self, now: Instant, slot: Slot) -> Option<Dropped<D, I>> {
        let entry = self.line.get(&slot)?;
        let has_left = match &entry.stage {
            Stage::Waiting(photo) => photo.has_left(),
            Stage::Decoded(input) => input.has_left(),
            Stage::Decoding { .. } => false,
        };
        // Whoever left says nothing about how long the line takes, unless the deadline made it leave.
        if !has_left || now >= slot.deadline {
            let taken = now.saturating_duration_since(entry.admitted);
            self.pace.record(entry.forecast, taken.max(entry.forecast));
        }
        self.remove(slot)
    }

    fn remove(&mut self, slot: Slot) -> Option<Dropped<D, I>> {
        match self.line.remove(&slot)?.stage {
            Stage::Waiting(photo) => Some(Dropped::Photo(photo)),
            Stage::Decoded(input) => {
                self.n_decoded -= 1;
                Some(Dropped::Input(input))
            }
            Stage::Decoding { .. } => None,
        }
    }

    /// Decoding runs ahead of the model by a few photographs only: what is decoded holds memory, and is
    /// work for nothing if its caller leaves. With none ready the model starves, and all threads may decode.
    /// An urgent photograph passes later ones that are decoded already, within twice that number.
    fn may_decode(&self, n_before_it: usize) -> bool {
        let n_ahead = self.limits.n_ahead(self.max_batch);
        let n_in_all = self.n_decoded + self.n_decoding;
        self.n_decoded == 0 || (n_before_it < n_ahead && n_in_all < 2 * n_ahead)
    }

    /// Small photographs never wait for memory. Large ones share half of it, and one alone may take more.
    fn fits(&self, effort: &Effort) -> bool {
        let bytes = effort.memory_bytes;
        bytes <= self.limits.small_bytes()
            || self.n_large == 0
            || self.large_bytes + bytes <= self.limits.decode_memory_bytes / 2
    }

    fn count_large(&mut self, effort: &Effort, has_begun: bool) {
        if effort.memory_bytes <= self.limits.small_bytes() {
            return;
        }
        if has_begun {
            self.n_large += 1;
            self.large_bytes += effort.memory_bytes;
        } else {
            self.n_large -= 1;
            self.large_bytes -= effort.memory_bytes;
        }
    }

    /// The photograph to decode next; pointless ones before it are dropped.
    pub(crate) fn next_photo(
        &mut self,
        now: Instant,
        dropped: &mut Vec<Dropped<D, I>>,
    ) -> Option<(Slot, D)> {
        let mut lost = Vec::new();
        let mut chosen = None;
        let mut n_before_it = 0;
        let mut large_must_wait = false;
        for (&slot, entry) in &self.line {
            if !matches!(entry.stage, Stage::Waiting(_)) {
                n_before_it += 1;
                continue;
            }
            if self.is_lost(now, slot, entry) {
                lost.push(slot);
                continue;
            }
            if !self.may_decode(n_before_it) {
                break;
            }
            let is_large = entry.effort.memory_bytes > self.limits.small_bytes();
            if is_large && (large_must_wait || !self.fits(&entry.effort)) {
                // Its turn among the large ones is kept; small ones pass.
                large_must_wait = true;
                continue;
            }
            chosen = Some(slot);
            break;
        }
        for slot in lost {
            dropped.extend(self.drop_lost(now, slot));
        }
        let slot = chosen?;
        let entry = self.line.get_mut(&slot)?;
        let effort = entry.effort;
        match std::mem::replace(&mut entry.stage, Stage::Decoding { since: now }) {
            Stage::Waiting(photo) => {
                self.n_decoding += 1;
                self.count_large(&effort, true);
                Some((slot, photo))
            }
            stage => {
                entry.stage = stage;
                None
            }
        }
    }

    /// A photograph of [`Self::next_photo`] is done: with the model's input, or refused.
    pub(crate) fn decoded(&mut self, now: Instant, slot: Slot, input: Option<I>) {
        let Some(entry) = self.line.get_mut(&slot) else {
            return;
        };
        let Stage::Decoding { since } = entry.stage else {
            return;
        };
        let (effort, is_probe) = (entry.effort, entry.is_probe);
        self.n_decoding -= 1;
        if let Some(input) = input {
            entry.stage = Stage::Decoded(input);
            self.n_decoded += 1;
            // A photograph that was refused took less than a whole one does.
            let took = now.saturating_duration_since(since);
            self.estimates.record_decode(&effort, took, is_probe);
        } else {
            self.line.remove(&slot);
        }
        self.count_large(&effort, false);
    }

    /// What goes to the model next; pointless photographs before it are dropped.
    pub(crate) fn next_batch(
        &mut self,
        now: Instant,
        dropped: &mut Vec<Dropped<D, I>>,
    ) -> Option<Batch<I>> {
        if self.n_decoded == 0 || self.runs.len() >= self.limits.inference_threads {
            return None;
        }
        let mut lost = Vec::new();
        let mut chosen: Vec<Slot> = Vec::new();
        let mut front: Option<&I> = None;
        for (&slot, entry) in &self.line {
            let Stage::Decoded(input) = &entry.stage else {
                continue;
            };
            if self.is_lost(now, slot, entry) {
                lost.push(slot);
                continue;
            }
            let front = *front.get_or_insert(input);
            if chosen.len() < front.max_batch().max(1) && front.goes_with(input) {
                chosen.push(slot);
            }
        }
        for slot in lost {
            dropped.extend(self.drop_lost(now, slot));
        }
        let mut has_probe = false;
        let mut promises = Vec::new();
        let mut inputs = Vec::new();
        for slot in chosen {
            let Some(entry) = self.line.get(&slot) else {
                continue;
            };
            let promise = (entry.admitted, entry.forecast);
            has_probe |= entry.is_probe;
            if let Some(Dropped::Input(input)) = self.remove(slot) {
                promises.push(promise);
                inputs.push(input);
            }
        }
        if inputs.is_empty() {
            return None;
        }
        let run = self.next_number;
        self.next_number += 1;
        self.runs.push(Run {
            number: run,
            since: now,
            promises,
            has_probe,
        });
        Some(Batch { run, inputs })
    }

    /// A run of [`Self::next_batch`] is over.
    pub(crate) fn inferred(&mut self, now: Instant, run: u64) {
        let Some(index) = self.runs.iter().position(|found| found.number == run) else {
            return;
        };
        let run = self.runs.swap_remove(index);
        let took = now.saturating_duration_since(run.since);
        let n_photographs = run.promises.len();
        self.estimates
            .record_run(n_photographs, took, run.has_probe);
        if run.has_probe {
            self.pace = Pace::default();
        }
        for (admitted, forecast) in run.promises {
            self.pace
                .record(forecast, now.saturating_duration_since(admitted));
        }
    }
}
