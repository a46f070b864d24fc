//! The schedule driven through made-up traffic on a made-up clock: threads are entries in a list, and time
//! goes from one event to the next.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{Claim, Dropped, Limits, Newcomer, Refusal, Schedule, Slot};
use crate::model::Effort;

pub(super) const MS: Duration = Duration::from_millis(1);

pub(super) fn limits() -> Limits {
    Limits {
        capacity: 1_000,
        decode_threads: 2,
        inference_threads: 1,
        decode_ahead: 2,
        decode_memory_bytes: 800,
    }
}

/// One photograph of the traffic, times from the start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) at: Duration,
    pub(super) allowed: Duration,
    pub(super) decode: Duration,
    pub(super) infer: Duration,
    pub(super) memory_bytes: u64,
    /// When its caller leaves, if it does.
    pub(super) leaves: Option<Duration>,
}

impl Arrival {
    pub(super) fn at(at: Duration) -> Self {
        Self {
            at,
            allowed: 2_000 * MS,
            decode: 10 * MS,
            infer: 40 * MS,
            memory_bytes: 1,
            leaves: None,
        }
    }

    fn effort(&self) -> Effort {
        Effort {
            kind: 0,
            work: self.decode.as_micros() as u64,
            memory_bytes: self.memory_bytes,
        }
    }
}

/// What became of a photograph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Refused(Refusal),
    /// Taken out of line without an answer.
    Dropped,
    /// After so long.
    Answered(Duration),
}

#[derive(Debug, Clone)]
pub(super) struct Fish {
    pub(super) number: usize,
    has_left: Rc<Cell<bool>>,
    max_batch: usize,
}

impl Claim for Fish {
    fn has_left(&self) -> bool {
        self.has_left.get()
    }

    fn max_batch(&self) -> usize {
        self.max_batch
    }
}

/// Everything that happened.
pub(super) struct Story {
    pub(super) fates: Vec<Fate>,
    /// In the order in which the model was given them.
    pub(super) order: Vec<usize>,
    pub(super) most_bytes: u64,
    pub(super) most_decoded: usize,
    pub(super) largest_batch: usize,
    pub(super) ended_at: Duration,
}

impl Story {
    pub(super) fn answered(&self) -> impl Iterator<Item = Duration> + '_ {
        self.fates.iter().filter_map(|fate| match fate {
            Fate::Answered(after) => Some(*after),
            _ => None,
        })
    }
}

struct World<'a> {
    start: Instant,
    now: Instant,
    traffic: &'a [Arrival],
    limits: Limits,
    max_batch: usize,
    schedule: Schedule<Fish, Fish>,
    leaving: Vec<(Instant, Rc<Cell<bool>>)>,
    decoding: Vec<(Instant, Slot, Fish)>,
    running: Vec<(Instant, u64, Vec<Fish>)>,
    story: Story,
}

/// Plays traffic that is sorted by arrival. A run of n photographs takes (n + 1) / 2 times as long as one.
pub(super) fn play(limits: &Limits, traffic: &[Arrival], max_batch: usize) -> Story {
    let start = Instant::now();
    let mut schedule = Schedule::new(limits.clone());
    schedule.expect_model(max_batch, usize::MAX);
    let mut world = World {
        start,
        now: start,
        traffic,
        limits: limits.clone(),
        max_batch,
        schedule,
        leaving: Vec::new(),
        decoding: Vec::new(),
        running: Vec::new(),
        story: Story {
            fates: vec![Fate::Dropped; traffic.len()],
            order: Vec::new(),
            most_bytes: 0,
            most_decoded: 0,
            largest_batch: 0,
            ended_at: Duration::ZERO,
        },
    };
    let mut arrived = 0;
    loop {
        world.work();
        let arrival = traffic.get(arrived).map(|arrival| start + arrival.at);
        let decoded = world.decoding.iter().map(|(end, ..)| *end).min();
        let inferred = world.running.iter().map(|(end, ..)| *end).min();
        let next = arrival.into_iter().chain(decoded).chain(inferred).min();
        let Some(next) = next else {
            break;
        };
        world.now = next;
        for (when, has_left) in &world.leaving {
            has_left.set(has_left.get() || *when <= next);
        }
        world.finish();
        if arrival == Some(next) {
            world.arrive(arrived);
            arrived += 1;
        }
    }
    assert_eq!(world.schedule.len(), 0, "nobody is left in line");
    assert_eq!(world.schedule.n_decoded, 0);
    assert_eq!(world.schedule.large_bytes, 0);
    world.story.ended_at = world.now - start;
    world.story
}

impl World<'_> {
    fn arrive(&mut self, number: usize) {
        let arrival = self.traffic[number];
        let fish = Fish {
            number,
            has_left: Rc::default(),
            max_batch: self.max_batch,
        };
        if let Some(leaves) = arrival.leaves {
            self.leaving
                .push((self.start + leaves, Rc::clone(&fish.has_left)));
        }
        let newcomer = Newcomer {
            deadline: self.now + arrival.allowed,
            effort: arrival.effort(),
            photo: fish,
        };
        let mut dropped = Vec::new();
        let admitted = self.schedule.admit(self.now, newcomer, &mut dropped);
        self.note(dropped);
        if let Err(refusal) = admitted {
            self.story.fates[number] = Fate::Refused(refusal);
        }
    }

    fn note(&mut self, dropped: Vec<Dropped<Fish, Fish>>) {
        for dropped in dropped {
            let (Dropped::Photo(fish) | Dropped::Input(fish)) = dropped;
            self.story.fates[fish.number] = Fate::Dropped;
        }
    }

    /// Idle threads look for work.
    fn work(&mut self) {
        let mut dropped = Vec::new();
        while self.running.len() < self.limits.inference_threads
            && let Some(batch) = self.schedule.next_batch(self.now, &mut dropped)
        {
            let n = batch.inputs.len();
            let longest = batch
                .inputs
                .iter()
                .map(|fish| self.traffic[fish.number].infer);
            // Half as long for every photograph after the first: a batch gains.
            let takes = longest
                .max()
                .unwrap_or_default()
                .mul_f64(f64::midpoint(n as f64, 1.0));
            for fish in &batch.inputs {
                assert!(!fish.has_left(), "nobody waits for {}", fish.number);
                self.story.order.push(fish.number);
            }
            self.story.largest_batch = self.story.largest_batch.max(n);
            self.running
                .push((self.now + takes, batch.run, batch.inputs));
        }
        while self.decoding.len() < self.limits.decode_threads
            && let Some((slot, fish)) = self.schedule.next_photo(self.now, &mut dropped)
        {
            assert!(!fish.has_left(), "nobody waits for {}", fish.number);
            assert!(slot.deadline > self.now, "{} was due already", fish.number);
            let takes = self.traffic[fish.number].decode;
            self.decoding.push((self.now + takes, slot, fish));
        }
        self.note(dropped);
        let bytes = |(_, _, fish): &(Instant, Slot, Fish)| self.traffic[fish.number].memory_bytes;
        let held = self.decoding.iter().map(bytes).sum();
        self.story.most_bytes = self.story.most_bytes.max(held);
        self.story.most_decoded = self.story.most_decoded.max(self.schedule.n_decoded);
    }

    /// Threads that are done say so.
    fn finish(&mut self) {
        let now = self.now;
        for (_, slot, fish) in self.decoding.extract_if(.., |(end, ..)| *end <= now) {
            self.schedule.decoded(now, slot, Some(fish));
        }
        for (_, run, fish) in self.running.extract_if(.., |(end, ..)| *end <= now) {
            self.schedule.inferred(now, run);
            for fish in fish {
                let after = now - (self.start + self.traffic[fish.number].at);
                self.story.fates[fish.number] = Fate::Answered(after);
            }
        }
    }
}
