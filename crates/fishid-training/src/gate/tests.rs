#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use super::{Decision, GatePhotograph, GateRequest, Verdict, compare};
use crate::evaluation::BootstrapOptions;

/// 30 groups of 4 photographs, two classes; the models err on the first `n_wrong` of each group.
fn photographs(candidate_wrong: usize, champion_wrong: usize) -> Vec<GatePhotograph> {
    let name = |is_pike| {
        if is_pike {
            "esox_lucius"
        } else {
            "perca_fluviatilis"
        }
    };
    (0..120)
        .map(|i| {
            let is_pike = i % 8 < 4;
            GatePhotograph {
                group: format!("fish {}", i / 4),
                truth: name(is_pike).into(),
                candidate: name(is_pike == (i % 4 >= candidate_wrong)).into(),
                champion: name(is_pike == (i % 4 >= champion_wrong)).into(),
            }
        })
        .collect()
}

const CLASSES: &[&str] = &["esox_lucius", "perca_fluviatilis"];

fn check(photographs: &[GatePhotograph], champion_trained_on: &[&str]) -> Verdict {
    check_classes(photographs, champion_trained_on, CLASSES, CLASSES)
}

fn check_classes(
    photographs: &[GatePhotograph],
    champion_trained_on: &[&str],
    candidate_classes: &[&str],
    champion_classes: &[&str],
) -> Verdict {
    let owned = |slugs: &[&str]| -> Vec<String> { slugs.iter().map(ToString::to_string).collect() };
    let champion_trained_on: BTreeSet<String> = champion_trained_on
        .iter()
        .map(|group| (*group).to_owned())
        .collect();
    compare(&GateRequest {
        photographs,
        champion_trained_on: &champion_trained_on,
        candidate_classes: &owned(candidate_classes),
        champion_classes: &owned(champion_classes),
        bootstrap: BootstrapOptions::default(),
    })
}

#[test]
fn a_candidate_that_is_worse_beyond_chance_is_rejected_in_words() {
    let verdict = check(&photographs(2, 1), &[]);
    assert_eq!(verdict.decision, Decision::Reject);
    assert!((verdict.accuracy_difference.unwrap() + 0.25).abs() < 1e-9);
    assert!(
        verdict
            .reasons
            .iter()
            .any(|r| r.contains("worse beyond chance")),
        "{verdict:?}"
    );
}

#[test]
fn an_equal_candidate_is_accepted() {
    let verdict = check(&photographs(1, 1), &[]);
    assert_eq!(verdict.decision, Decision::Accept);
    assert_eq!(verdict.accuracy_difference_ci95, Some([0.0, 0.0]));
}

#[test]
fn a_better_candidate_is_accepted() {
    assert!(check(&photographs(0, 2), &[]).is_accepted());
}

#[test]
fn a_loss_within_chance_does_not_hold_a_candidate_back() {
    let mut photographs = photographs(1, 1);
    photographs[3].candidate = "perca_fluviatilis".into();
    let verdict = check(&photographs, &[]);
    assert!(verdict.accuracy_difference.unwrap() < 0.0);
    assert_eq!(verdict.decision, Decision::Accept);
}

#[test]
fn groups_the_champion_learned_from_are_left_out_and_counted() {
    let verdict = check(
        &photographs(1, 1),
        &["fish 0", "fish 7", "not in the test set"],
    );
    assert_eq!(
        (verdict.n, verdict.n_groups, verdict.n_excluded),
        (112, 28, 8)
    );
    assert!(verdict.reasons[0].contains("8 test photographs were left out"));
}

#[test]
fn too_few_photographs_left_are_not_a_comparison() {
    let learned: Vec<String> = (0..28).map(|i| format!("fish {i}")).collect();
    let verdict = check(
        &photographs(0, 2),
        &learned.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    assert_eq!(verdict.decision, Decision::NotComparable);
    assert!(
        verdict.reasons[1].contains("8 photographs of 2 groups are left"),
        "{verdict:?}"
    );
}

#[test]
fn a_candidate_that_lacks_species_of_the_champion_is_left_to_a_person_however_good_it_is() {
    let champion = [
        "esox_lucius",
        "perca_fluviatilis",
        "salmo_trutta",
        "tinca_tinca",
    ];
    let verdict = check_classes(&photographs(0, 2), &[], CLASSES, &champion);
    assert_eq!(verdict.decision, Decision::NotComparable);
    assert_eq!(
        verdict.reasons[0],
        "it would forget: salmo_trutta, tinca_tinca; promote by hand if that is meant"
    );
    // The numbers are there all the same, for the person who decides.
    assert!(verdict.accuracy_difference.unwrap() > 0.0);
}

#[test]
fn a_candidate_that_knows_more_species_than_the_champion_may_be_accepted() {
    let candidate = ["esox_lucius", "perca_fluviatilis", "tinca_tinca"];
    assert!(check_classes(&photographs(1, 1), &[], &candidate, CLASSES).is_accepted());
}
