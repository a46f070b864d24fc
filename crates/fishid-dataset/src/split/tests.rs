#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn photo(class: &str, group: &str) -> GroupedPhoto {
    GroupedPhoto {
        path: format!("{class}/{group}.jpg"),
        class: class.to_owned(),
        group: group.to_owned(),
    }
}

fn assign(photos: &[GroupedPhoto], seed: u64) -> BTreeMap<String, Split> {
    photos
        .iter()
        .map(|photo| photo.group.clone())
        .zip(assign_splits(photos, Ratios::default(), seed))
        .collect()
}

#[test]
fn the_same_seed_gives_this_split_on_every_machine() {
    let photos: Vec<GroupedPhoto> = (0..12)
        .map(|n| photo("perca_fluviatilis", &format!("fish {n}")))
        .collect();
    let letters = |seed: u64| -> String {
        assign_splits(&photos, Ratios::default(), seed)
            .iter()
            .map(|split| &split.as_str()[..2])
            .collect()
    };
    assert_eq!(letters(0), GOLDEN_SEED_0);
    assert_eq!(letters(1), GOLDEN_SEED_1);
}

/// Computed by hand from the rule, in Python with hashlib.
const GOLDEN_SEED_0: &str = "trvatrtetrtrtrtrtrtrtrtr";
const GOLDEN_SEED_1: &str = "trtetrtrtetevatrtrtrtrte";

#[test]
fn small_classes_train_before_they_test() {
    let splits = |n: usize| -> Vec<Split> {
        let photos: Vec<GroupedPhoto> = (0..n).map(|n| photo("a", &format!("g{n}"))).collect();
        let mut splits: Vec<Split> = assign(&photos, 0).into_values().collect();
        splits.sort_unstable();
        splits
    };
    assert_eq!(splits(1), [Split::Train]);
    assert_eq!(splits(2), [Split::Train, Split::Test]);
    assert_eq!(splits(3), [Split::Train, Split::Val, Split::Test]);
}

#[test]
fn shares_are_kept_on_many_groups() {
    let photos: Vec<GroupedPhoto> = (0..20_000).map(|n| photo("a", &n.to_string())).collect();
    let splits = assign_splits(&photos, Ratios::default(), 0);
    let share =
        |wanted: Split| splits.iter().filter(|split| **split == wanted).count() as f64 / 20_000.0;
    assert!(
        (share(Split::Train) - 0.8).abs() < 0.01 && (share(Split::Val) - 0.1).abs() < 0.01,
        "{} {}",
        share(Split::Train),
        share(Split::Val)
    );
}

#[test]
fn a_share_of_nothing_gives_nothing() {
    let photos: Vec<GroupedPhoto> = (0..50).map(|n| photo("a", &n.to_string())).collect();
    assert!(
        assign_splits(&photos, "100/0/0".parse().unwrap(), 0)
            .iter()
            .all(|split| *split == Split::Train)
    );
    assert!(
        assign_splits(&photos, "90/0/10".parse().unwrap(), 0)
            .iter()
            .all(|split| *split != Split::Val)
    );
}

#[test]
fn ratios_are_three_shares_with_something_to_train_on() {
    assert_eq!("80/10/10".parse::<Ratios>().unwrap(), Ratios::default());
    assert_eq!("8/1/1".parse::<Ratios>().unwrap().to_string(), "8/1/1");
    for text in [
        "80/20",
        "80/10/10/0",
        "a/b/c",
        "0/50/50",
        "80/-10/30",
        "inf/1/1",
        "NaN/1/1",
        "",
    ] {
        let message = text.parse::<Ratios>().unwrap_err().to_string();
        assert!(message.contains("80/10/10"), "{message}");
    }
}

prop_compose! {
    /// Groups with one or two classes each, out of three.
    fn photographs()(groups in prop::collection::vec((0..3usize, prop::option::weighted(0.1, 0..3usize)), 1..60)) -> Vec<GroupedPhoto> {
        let classes = ["a", "b", "c"];
        groups.iter().enumerate().flat_map(|(n, (class, other))| {
            let group = format!("group {n}");
            std::iter::once(photo(classes[*class], &group)).chain(other.map(|other| photo(classes[other], &group))).collect::<Vec<_>>()
        }).collect()
    }
}

proptest! {
    #[test]
    fn no_group_is_divided_and_every_class_can_be_trained(photos in photographs(), seed: u64) {
        let splits = assign_splits(&photos, Ratios::default(), seed);
        let mut of_group: BTreeMap<&str, Split> = BTreeMap::new();
        for (photo, split) in photos.iter().zip(&splits) {
            prop_assert_eq!(*of_group.entry(&photo.group).or_insert(*split), *split);
        }
        for class in ["a", "b", "c"] {
            let mut of_class = photos.iter().zip(&splits).filter(|(photo, _)| photo.class == class).peekable();
            prop_assert!(of_class.peek().is_none() || of_class.any(|(_, split)| *split == Split::Train));
        }
    }

    #[test]
    fn the_order_of_the_photographs_changes_nothing(photos in photographs(), seed: u64) {
        let mut reversed = photos.clone();
        reversed.reverse();
        prop_assert_eq!(assign(&photos, seed), assign(&reversed, seed));
    }

    #[test]
    fn growth_never_moves_a_group_from_train_to_test(n_before in 3..40usize, n_after in 0..40usize, seed: u64) {
        let all: Vec<GroupedPhoto> = (0..n_before + n_after).map(|n| photo("a", &format!("group {n}"))).collect();
        let (before, after) = (assign(&all[..n_before], seed), assign(&all, seed));
        let ratios = Ratios::default();
        for (group, split) in &before {
            // A class in which no hash says train lends it one group until it has a better one.
            let is_lent = place_of(seed, group) < ratios.val + ratios.test;
            prop_assert!(*split != Split::Train || is_lent || after[group] == Split::Train, "{} went to {}", group, after[group]);
        }
    }

    #[test]
    fn with_a_memory_nothing_earlier_moves_at_all(n_before in 1..20usize, n_after in 0..20usize, seed: u64) {
        let all: Vec<GroupedPhoto> = (0..n_before + n_after).map(|n| photo("a", &format!("group {n}"))).collect();
        let before = assign(&all[..n_before], seed);
        let after = assign_splits_after(&all, Ratios::default(), seed, &before);
        for (photo, split) in all.iter().zip(&after).take(n_before) {
            prop_assert_eq!(before[&photo.group], *split);
        }
        prop_assert!(n_before + n_after < 2 || after.contains(&Split::Test));
    }
}
