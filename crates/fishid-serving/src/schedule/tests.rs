//! What the schedule promises, on made-up traffic.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::simulation::{Arrival, Fate, MS, Story, limits, play};
use super::{Claim, Limits, Newcomer, Refusal, Schedule};
use crate::model::Effort;

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    /// Evenly between 0 and 1.
    fn roll(&mut self) -> f64 {
        // Knuth's MMIX generator; its upper bits are good enough for traffic.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The pause until the next photograph when they come independently of each other.
    fn pause(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.roll()).ln())
    }
}

/// A minute of arrivals, independent of each other.
fn minute(mean_pause: Duration, mut change: impl FnMut(&mut Dice, &mut Arrival)) -> Vec<Arrival> {
    let mut dice = Dice(7);
    let mut at = Duration::ZERO;
    let mut traffic = Vec::new();
    while at < Duration::from_mins(1) {
        at += dice.pause(mean_pause);
        let mut arrival = Arrival::at(at);
        change(&mut dice, &mut arrival);
        traffic.push(arrival);
    }
    traffic
}

/// Photographs answered in time, per second of the traffic.
fn goodput(traffic: &[Arrival], story: &Story) -> f64 {
    let in_time = |(arrival, fate): &(&Arrival, &Fate)| matches!(fate, Fate::Answered(after) if *after <= arrival.allowed);
    let n = traffic.iter().zip(&story.fates).filter(in_time).count();
    n as f64 / story.ended_at.as_secs_f64()
}

#[track_caller]
fn check_overload(traffic: &[Arrival], capacity_per_second: f64, least: f64) {
    let story = play(&limits(), traffic, 1);
    let share = goodput(traffic, &story) / capacity_per_second;
    assert!(share >= least, "{share:.3} of the capacity");
    let mut late = 0;
    for (arrival, fate) in traffic.iter().zip(&story.fates) {
        late += usize::from(matches!(fate, Fate::Answered(after) if *after > arrival.allowed));
    }
    let n_answered = story.answered().count();
    assert!(
        late * 100 <= n_answered,
        "{late} of {n_answered} answers came too late"
    );
}

#[test]
fn three_times_the_capacity_leaves_the_capacity() {
    // 40 ms of the model: 25 photographs a second; offered are 75.
    let offered = Duration::from_secs(1) / 75;
    check_overload(&minute(offered, |_, _| {}), 25.0, 0.98);
    let uneven = minute(offered, |dice, arrival| {
        arrival.infer = MS.mul_f64(20.0 + 40.0 * dice.roll());
        arrival.decode = MS.mul_f64(2.0 + 30.0 * dice.roll());
    });
    check_overload(&uneven, 25.0, 0.95);
    let a_few_huge = minute(offered, |dice, arrival| {
        if dice.roll() < 0.05 {
            arrival.decode = 400 * MS;
            arrival.memory_bytes = 1_000;
        }
    });
    check_overload(&a_few_huge, 25.0, 0.9);
    let impatient = minute(offered, |dice, arrival| {
        arrival.allowed = MS.mul_f64(100.0 + 1_900.0 * dice.roll());
        if dice.roll() < 0.2 {
            arrival.leaves = Some(arrival.at + arrival.allowed.mul_f64(dice.roll()));
        }
    });
    check_overload(&impatient, 25.0, 0.85);
}

#[test]
fn a_burst_is_admitted_as_far_as_it_can_be_answered() {
    let mut traffic = vec![Arrival::at(Duration::ZERO)];
    traffic.extend(vec![Arrival::at(Duration::from_secs(1)); 100]);
    let story = play(&limits(), &traffic, 1);
    // Of 2 s they have, 1.8 are given out: (1800 - 10) / 40.
    assert_eq!(story.answered().count(), 1 + 44);
    let mut refused = story.fates.iter().filter_map(|fate| match fate {
        Fate::Refused(Refusal::Late { expected, wait }) => Some((*expected, *wait)),
        _ => None,
    });
    let (expected, wait) = refused.next_back().unwrap();
    assert!(expected.abs_diff((10 + 45 * 40) * MS) < MS, "{expected:?}");
    assert!(wait > Duration::ZERO && wait < 100 * MS, "{wait:?}");
}

#[test]
fn the_earliest_deadline_goes_first_and_makes_nobody_late() {
    let mut traffic = vec![Arrival::at(Duration::ZERO)];
    traffic.extend(vec![Arrival::at(Duration::from_secs(1)); 10]);
    let urgent = Arrival {
        allowed: 200 * MS,
        ..Arrival::at(Duration::from_secs(1) + MS)
    };
    traffic.push(urgent);
    let story = play(&limits(), &traffic, 1);
    let place = story.order.iter().position(|&number| number == 11).unwrap();
    assert!(place <= 3, "{:?}", story.order);
    assert_eq!(story.answered().count(), 12);

    // With the line full to the brim, one that would push another over its deadline is refused.
    let mut full = traffic;
    full.truncate(1);
    full.extend(vec![Arrival::at(Duration::from_secs(1)); 60]);
    full.push(urgent);
    let story = play(&limits(), &full, 1);
    assert!(
        matches!(story.fates[61], Fate::Refused(Refusal::Late { .. })),
        "{:?}",
        story.fates[61]
    );
    assert_eq!(story.answered().count(), 45);
}

#[test]
fn whoever_leaves_makes_room_at_once() {
    let mut traffic = vec![Arrival::at(Duration::ZERO)];
    let leaving = Arrival {
        leaves: Some(Duration::from_millis(1_050)),
        ..Arrival::at(Duration::from_secs(1))
    };
    traffic.extend(vec![leaving; 44]);
    traffic.extend(vec![Arrival::at(Duration::from_millis(1_100)); 44]);
    let story = play(&limits(), &traffic, 1);
    let n_late: usize = story.fates[45..]
        .iter()
        .filter(|fate| matches!(fate, Fate::Answered(_)))
        .count();
    assert!(n_late >= 42, "{n_late}");
    assert!(
        story.order.len() < 50,
        "those who left cost the model nothing"
    );
}

#[test]
fn a_full_line_is_said_to_be_full() {
    let limits = Limits {
        capacity: 3,
        ..limits()
    };
    let traffic = vec![Arrival::at(Duration::ZERO); 5];
    let story = play(&limits, &traffic, 1);
    for fate in &story.fates[3..] {
        assert!(
            matches!(fate, Fate::Refused(Refusal::Full { accepted: 3, .. })),
            "{fate:?}"
        );
    }
    assert_eq!(story.answered().count(), 3);
}

#[test]
fn estimates_that_refuse_everybody_are_measured_again() {
    let slow = Arrival {
        infer: 10_000 * MS,
        ..Arrival::at(Duration::ZERO)
    };
    let mut traffic = vec![slow];
    for second in 11..60 {
        traffic.push(Arrival::at(Duration::from_secs(second)));
    }
    let story = play(&limits(), &traffic, 1);
    assert!(matches!(story.fates[1], Fate::Answered(_)), "a probe");
    let n_answered = story.answered().count();
    assert!(n_answered >= traffic.len() - 1, "{n_answered}");
}

#[test]
fn a_batch_takes_what_waits_and_no_more_than_the_model_takes() {
    let mut traffic = vec![Arrival::at(Duration::ZERO)];
    traffic.extend(vec![Arrival::at(Duration::from_secs(1)); 40]);
    let story = play(&limits(), &traffic, 4);
    assert_eq!(story.largest_batch, 4);
    assert_eq!(story.answered().count(), 41);
    let alone = play(&limits(), &traffic, 1);
    assert_eq!(alone.largest_batch, 1);
    assert!(story.ended_at < alone.ended_at);
}

#[test]
fn one_large_photograph_at_a_time_and_small_ones_pass() {
    let large = Arrival {
        decode: 500 * MS,
        memory_bytes: 1_000,
        ..Arrival::at(Duration::ZERO)
    };
    let small = Arrival {
        memory_bytes: 200,
        ..Arrival::at(MS)
    };
    let traffic = [large, large, small, small, small];
    let story = play(&limits(), &traffic, 1);
    assert_eq!(story.most_bytes, 1_200);
    assert_eq!(story.order, [2, 3, 4, 0, 1]);
}

fn arrival() -> impl Strategy<Value = Arrival> {
    (
        0..20_000_u64,
        50..3_000_u64,
        1..300_u64,
        1..200_u64,
        prop_oneof![4 => 1..200_u64, 1 => 200..2_000_u64],
        prop::option::weighted(0.2, 0..2_000_u64),
    )
        .prop_map(
            |(at, allowed, decode, infer, memory_bytes, leaves)| Arrival {
                at: at as u32 * MS,
                allowed: allowed as u32 * MS,
                decode: decode as u32 * MS,
                infer: infer as u32 * MS,
                memory_bytes,
                leaves: leaves.map(|after| (at + after) as u32 * MS),
            },
        )
}

fn some_limits() -> impl Strategy<Value = Limits> {
    (1..50_usize, 1..5_usize, 1..4_usize, 1..4_usize).prop_map(
        |(capacity, decode_threads, inference_threads, decode_ahead)| Limits {
            capacity,
            decode_threads,
            inference_threads,
            decode_ahead,
            decode_memory_bytes: 800,
        },
    )
}

proptest! {
    /// The simulation itself checks that nobody gets lost and that no work is done for those who left.
    #[test]
    fn whatever_comes_the_bounds_hold(
        limits in some_limits(),
        mut traffic in prop::collection::vec(arrival(), 1..150),
        max_batch in 1..5_usize,
    ) {
        traffic.sort_by_key(|arrival| arrival.at);
        let story = play(&limits, &traffic, max_batch);
        let largest = traffic.iter().map(|arrival| arrival.memory_bytes).max().unwrap_or(0);
        let bound = limits.decode_memory_bytes / 2 + largest.max(limits.decode_memory_bytes / 2);
        prop_assert!(story.most_bytes <= bound, "{} bytes", story.most_bytes);
        let most = limits.decode_threads.max(2 * limits.n_ahead(max_batch));
        prop_assert!(story.most_decoded <= most, "{} decoded", story.most_decoded);
        prop_assert!(story.largest_batch <= max_batch);
    }

    /// With photographs that all take what they took before, a place in line is a promise.
    #[test]
    fn whoever_is_admitted_is_answered_in_time(
        limits in some_limits(),
        pauses in prop::collection::vec(0..60_u64, 1..200),
        allowed in 200..2_000_u64,
    ) {
        let mut at = Duration::from_secs(1);
        let mut traffic = vec![Arrival::at(Duration::ZERO)];
        for pause in pauses {
            at += pause as u32 * MS;
            traffic.push(Arrival { allowed: allowed as u32 * MS, ..Arrival::at(at) });
        }
        let story = play(&limits, &traffic, 1);
        for (arrival, fate) in traffic.iter().zip(&story.fates) {
            match fate {
                Fate::Answered(after) => prop_assert!(*after <= arrival.allowed),
                Fate::Refused(_) => {}
                Fate::Dropped => prop_assert!(false, "an admitted photograph was dropped"),
            }
        }
    }
}

#[test]
fn a_deadline_that_has_passed_is_refused_even_by_an_idle_service() {
    let traffic = [Arrival {
        allowed: Duration::ZERO,
        ..Arrival::at(Duration::ZERO)
    }];
    let story = play(&limits(), &traffic, 1);
    assert!(!matches!(story.fates[0], Fate::Answered(_)));
    assert!(story.order.is_empty());
}

struct Plain;

impl Claim for Plain {
    fn has_left(&self) -> bool {
        false
    }
}

#[test]
fn a_model_of_one_stream_gets_one_run_at_a_time_however_many_threads_there_are() {
    let now = Instant::now();
    let mut dropped = Vec::new();
    let mut schedule = Schedule::<Plain, Plain>::new(Limits {
        inference_threads: 3,
        ..limits()
    });
    schedule.expect_model(1, 1);
    for _ in 0..3 {
        let newcomer = Newcomer {
            deadline: now + Duration::from_mins(1),
            effort: Effort::default(),
            photo: Plain,
        };
        schedule.admit(now, newcomer, &mut dropped).unwrap();
    }
    while let Some((slot, photo)) = schedule.next_photo(now, &mut dropped) {
        schedule.decoded(now, slot, Some(photo));
    }
    let first = schedule.next_batch(now, &mut dropped).unwrap();
    assert!(schedule.next_batch(now, &mut dropped).is_none());
    schedule.inferred(now + MS, first.run);
    let second = schedule.next_batch(now, &mut dropped).unwrap();

    // The next model has two.
    schedule.expect_model(1, 2);
    while let Some((slot, photo)) = schedule.next_photo(now, &mut dropped) {
        schedule.decoded(now, slot, Some(photo));
    }
    assert!(schedule.next_batch(now, &mut dropped).is_some());
    schedule.inferred(now + MS, second.run);
    assert!(dropped.is_empty());
}
