#![allow(clippy::unwrap_used)]

use super::*;
use crate::perceptual_hash::MAX_DISTANCE;

/// Random hashes, and for every tenth of them a second one `distance` bits away in a random view.
fn hashes(n: usize, distance: u32) -> Vec<Option<PerceptualHash>> {
    let mut state = 0x1234_5678_9abc_def1u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut hashes: Vec<PerceptualHash> = (0..n)
        .map(|_| PerceptualHash([next() & !1, next(), next(), next()]))
        .collect();
    for original in (0..n).step_by(10) {
        let mut copy = hashes[original].views()[(next() % 8) as usize];
        let mut flipped = 0;
        while flipped < distance {
            let bit = 1 + (next() % 255) as usize;
            let mask = 1 << (bit % 64);
            let before = copy.hamming(hashes[original]);
            copy.0[bit / 64] ^= mask;
            flipped += 1;
            debug_assert_ne!(before, copy.hamming(hashes[original]));
        }
        hashes.push(copy);
    }
    hashes.into_iter().map(Some).collect()
}

fn every_pair(hashes: &[Option<PerceptualHash>]) -> Vec<usize> {
    let mut sets = DisjointSets::new(hashes.len());
    for (b, other) in hashes.iter().enumerate() {
        for (a, one) in hashes.iter().enumerate().take(b) {
            if let (Some(one), Some(other)) = (one, other)
                && one.distance(*other) <= MAX_DISTANCE
            {
                sets.join(a, b);
            }
        }
    }
    (0..hashes.len()).map(|index| sets.root(index)).collect()
}

#[test]
fn the_tables_find_exactly_what_comparing_every_pair_finds() {
    for distance in [1, 20, MAX_DISTANCE, MAX_DISTANCE + 1, 40] {
        let mut hashes = hashes(1500, distance);
        hashes[3] = None;
        hashes.push(hashes[5]);
        assert_eq!(
            cluster(&hashes, &vec![0; hashes.len()]).first,
            every_pair(&hashes),
            "{distance} bits"
        );
    }
}

#[test]
fn pairs_that_must_be_apart_are_told_with_their_distance() {
    let keys: Vec<u32> = (0..110).map(|index| u32::from(index < 50)).collect();
    let found = cluster(&hashes(100, 7), &keys);
    assert!(
        found
            .crossing
            .iter()
            .all(|&(a, b, distance)| a < 50 && b >= 100 && distance <= 7)
    );
    assert_eq!(found.crossing.len(), 5);
}

/// `n` hashes at most six bits from one another.
fn nearly_equal(n: usize) -> Vec<Option<PerceptualHash>> {
    (0..n)
        .map(|n| {
            let words = [1 << (n % 64), 1 << (n / 64 % 64), 1 << (n / 4096)];
            Some(PerceptualHash([
                0xdead_beef_dead_beee,
                1 ^ words[0],
                2 ^ words[1],
                3 ^ words[2],
            ]))
        })
        .collect()
}

#[test]
fn thousands_of_nearly_equal_pictures_are_one_cluster() {
    let hashes = nearly_equal(30_000);
    let found = cluster(&hashes, &vec![0; hashes.len()]);
    assert!(found.first.iter().all(|first| *first == 0));
    assert_eq!(found.crossing, []);
}

#[test]
fn one_wrong_label_among_thousands_of_nearly_equal_pictures_is_told_to_all() {
    let hashes = nearly_equal(3000);
    let keys: Vec<u32> = (0..3000).map(|n| u32::from(n == 7)).collect();
    let found = cluster(&hashes, &keys);
    assert!(found.first.iter().all(|first| *first == 0));
    assert_eq!(found.crossing.len(), 2999);
    assert!(
        found
            .crossing
            .iter()
            .all(|&(a, b, distance)| (a == 7 || b == 7) && (1..=6).contains(&distance))
    );
}

/// Prints the time for a size given by hand: `FISHID_NEAR_DUPLICATES=200000 cargo test --release …`.
#[test]
fn a_large_set_is_searched_in_the_time_it_takes() {
    let n = std::env::var("FISHID_NEAR_DUPLICATES").map_or(20_000, |n| n.parse().unwrap());
    let hashes = hashes(n, 20);
    let start = std::time::Instant::now();
    let found = cluster(&hashes, &vec![0; hashes.len()]);
    eprintln!("{} hashes: {:?}", hashes.len(), start.elapsed());
    let joined = found
        .first
        .iter()
        .enumerate()
        .filter(|(index, first)| index != *first)
        .count();
    assert_eq!(joined, n / 10);
}
