//! One table per criterion: what it lets through, what it refuses, what it says.

use super::*;

#[test]
fn a_candidate_that_is_as_good_passes_every_criterion() {
    let verdict = check(
        &Case::default(),
        Decision::Accept,
        Criterion::MacroF1,
        Outcome::Passed,
        &[
            "0.750 against the champion's 0.750",
            "not different beyond chance",
        ],
    );
    assert_eq!(verdict.accuracy_difference_ci95, Some([0.0, 0.0]));
    let outcomes = |criterion| verdict.finding(criterion).map(|it| it.outcome);
    for criterion in [
        Criterion::Golden,
        Criterion::Classes,
        Criterion::Accuracy,
        Criterion::ClassRecall,
        Criterion::Calibration,
        Criterion::Overfitting,
        Criterion::Size,
        Criterion::Latency,
    ] {
        assert_eq!(outcomes(criterion), Some(Outcome::Passed), "{criterion:?}");
    }
}

#[test]
fn macro_f1_that_is_worse_beyond_chance_is_refused_and_told_in_words() {
    let case = |candidate, champion| Case {
        photographs: two_classes(candidate, champion),
        ..Case::default()
    };
    let verdict = check(
        &case(2, 1),
        Decision::Reject,
        Criterion::MacroF1,
        Outcome::Refused,
        &["-0.250", "worse beyond chance"],
    );
    assert!((verdict.accuracy_difference.unwrap() + 0.25).abs() < 1e-9);
    assert_eq!(
        verdict.finding(Criterion::Accuracy).map(|it| it.outcome),
        Some(Outcome::Warning)
    );
    check(
        &case(0, 2),
        Decision::Accept,
        Criterion::MacroF1,
        Outcome::Passed,
        &["better beyond chance"],
    );
    let mut within_chance = case(1, 1);
    within_chance.photographs[3].candidate = answer(PERCH);
    let verdict = check(
        &within_chance,
        Decision::Accept,
        Criterion::MacroF1,
        Outcome::Passed,
        &["not different"],
    );
    assert!(verdict.macro_f1_difference.unwrap() < 0.0);
}

#[test]
fn groups_one_of_the_models_learned_from_are_left_out_and_counted() {
    let case = Case {
        learned_from: strings(&["fish 0", "fish 7", "not in the test set"]),
        n_unanswered: 2,
        ..Case::default()
    };
    let verdict = check(
        &case,
        Decision::Accept,
        Criterion::TestSet,
        Outcome::Warning,
        &[
            "112 photographs of 28 groups",
            "8 left out because one of the models had learned from their groups",
            "2 left out because the champion cannot answer them",
        ],
    );
    assert_eq!(
        (verdict.n, verdict.n_groups, verdict.n_excluded),
        (112, 28, 8)
    );
}

#[test]
fn too_few_photographs_left_are_a_stated_outcome_unless_something_else_refuses() {
    let learned: Vec<String> = (0..28).map(|i| format!("fish {i}")).collect();
    let mut case = Case {
        photographs: two_classes(0, 2),
        learned_from: learned,
        ..Case::default()
    };
    let words = ["8 photographs of 2 groups are left to compare on, and 20 of 5 are needed"];
    let verdict = check(
        &case,
        Decision::NotComparable,
        Criterion::TestSet,
        Outcome::NotMeasured,
        &words,
    );
    assert!(verdict.reasons[0].contains(words[0]), "{verdict:?}");
    assert_eq!(verdict.macro_f1_difference, None);
    case.golden = Err("0 of 32 agree".to_owned());
    check(
        &case,
        Decision::Reject,
        Criterion::Golden,
        Outcome::Refused,
        &["0 of 32 agree"],
    );
    case.golden = Ok(32);
    case.limits.min_photographs = 8;
    case.limits.min_groups = 2;
    check(
        &case,
        Decision::Accept,
        Criterion::MacroF1,
        Outcome::Passed,
        &["+0.500"],
    );
}

#[test]
fn a_test_set_says_what_it_could_not_have_shown() {
    // Nothing is answered differently: 3 of 30 groups may still be, by the rule of three.
    let verdict = check(
        &Case::default(),
        Decision::Accept,
        Criterion::TestSet,
        Outcome::Warning,
        &[
            "a loss smaller than 0.100 could not have been noticed",
            "small test set",
            "60 groups",
        ],
    );
    assert!((verdict.unnoticed_loss.unwrap() - 0.1).abs() < 1e-9);
    assert!(
        verdict.reasons.iter().any(|it| it.contains("0.100")),
        "a decision by a small test set says so: {:?}",
        verdict.reasons
    );
    let copies = |copy: usize| {
        two_classes(1, 1).into_iter().map(move |mut it| {
            it.group = format!("{} of {copy}", it.group);
            it
        })
    };
    let large = Case {
        photographs: (0..40).flat_map(copies).collect(),
        ..Case::default()
    };
    check(
        &large,
        Decision::Accept,
        Criterion::TestSet,
        Outcome::Passed,
        &["4800 photographs of 1200 groups"],
    );
}

/// `n_groups` groups of 4 photographs per class; in the first class the candidate loses so many groups whole, in
/// every other it loses one and wins one.
fn many_classes(n_classes: usize, n_groups: usize, n_lost: usize) -> Case {
    let classes: Vec<String> = (0..n_classes).map(|i| format!("class_{i:02}")).collect();
    let mut photographs = Vec::new();
    for (class, name) in classes.iter().enumerate() {
        for group in 0..n_groups {
            let other = answer(&classes[usize::from(class == 0)]);
            let is_lost = if class == 0 {
                group < n_lost
            } else {
                group == 0
            };
            let is_won = class > 0 && group == 1;
            let own = answer(name);
            for _ in 0..4 {
                photographs.push(GatePhotograph {
                    group: format!("{name} {group}"),
                    truth: name.clone(),
                    candidate: if is_lost { &other } else { &own }.clone(),
                    champion: if is_won { &other } else { &own }.clone(),
                });
            }
        }
    }
    Case {
        photographs,
        candidate_classes: classes.clone(),
        champion_classes: classes,
        ..Case::default()
    }
}

#[test]
fn a_class_that_collapses_is_refused_though_the_mean_hardly_moves() {
    check(
        &many_classes(15, 5, 5),
        Decision::Reject,
        Criterion::ClassRecall,
        Outcome::Refused,
        &[
            "class_00: recall 0.000 against 1.000 in 5 groups",
            "fallen beyond chance",
        ],
    );
    // Of four groups nothing is said.
    let case = many_classes(15, 4, 4);
    let verdict = case.judge();
    let finding = verdict.finding(Criterion::ClassRecall).unwrap();
    assert_eq!(finding.outcome, Outcome::NotMeasured);
    assert!(
        finding
            .sentence
            .contains("4 groups in the test set, and 5 are needed")
    );
}

#[test]
fn a_class_below_its_own_interval_is_a_warning_where_many_are_looked_at() {
    check(
        &many_classes(15, 8, 5),
        Decision::Accept,
        Criterion::ClassRecall,
        Outcome::Warning,
        &["which among 15 classes happens by chance"],
    );
    check(
        &many_classes(15, 8, 7),
        Decision::Reject,
        Criterion::ClassRecall,
        Outcome::Refused,
        &["for 15 classes together"],
    );
    check(
        &many_classes(15, 8, 1),
        Decision::Accept,
        Criterion::ClassRecall,
        Outcome::Passed,
        &["not different beyond chance"],
    );
}

#[test]
fn calibration_may_worsen_within_its_limit_and_chance() {
    let with_confidence = |confidence: f64, n_groups: usize| {
        let mut case = Case {
            n_unanswered: 0,
            ..Case::default()
        };
        case.photographs.retain(|it| {
            let number: usize = it.group.trim_start_matches("fish ").parse().unwrap();
            number < n_groups
        });
        for (i, photograph) in case.photographs.iter_mut().enumerate() {
            // The spread over groups is what makes an interval.
            let spread = if i / 4 % 2 == 0 { 0.04 } else { -0.04 };
            photograph.candidate.confidence = (confidence + spread).min(1.0);
        }
        case
    };
    check(
        &with_confidence(0.95, 30),
        Decision::Reject,
        Criterion::Calibration,
        Outcome::Refused,
        &[
            "calibration error 0.200 against the champion's 0.000",
            "more than 0.05 beyond chance",
        ],
    );
    check(
        &with_confidence(0.79, 30),
        Decision::Accept,
        Criterion::Calibration,
        Outcome::Passed,
        &["within the limit of 0.05"],
    );
    let mut doubtful = with_confidence(0.75, 6);
    for photograph in doubtful.photographs.iter_mut().take(8) {
        photograph.candidate.confidence = 1.0;
    }
    check(
        &doubtful,
        Decision::Accept,
        Criterion::Calibration,
        Outcome::Warning,
        &["above the limit of 0.05, though perhaps by chance"],
    );
}

#[test]
fn what_is_learned_by_heart_is_refused_and_small_splits_are_not_judged() {
    let case = |validation, test, n_split_groups| Case {
        right_of_ten: [validation, test],
        n_split_groups,
        ..Case::default()
    };
    check(
        &case(10, 6, 20),
        Decision::Reject,
        Criterion::Overfitting,
        Outcome::Refused,
        &["Macro-F1 1.000 on validation and 0.600 on test", "by heart"],
    );
    check(
        &case(8, 8, 20),
        Decision::Accept,
        Criterion::Overfitting,
        Outcome::Passed,
        &["within the limit of 0.1"],
    );
    check(
        &case(10, 6, 4),
        Decision::Accept,
        Criterion::Overfitting,
        Outcome::NotMeasured,
        &["Validation has 4 groups", "too few to tell"],
    );
    check(
        &case(10, 6, 0),
        Decision::Accept,
        Criterion::Overfitting,
        Outcome::NotMeasured,
        &["Validation has 0 groups"],
    );
    // A gap of 0.2 between halves of which each is right in all or in none of its groups is chance.
    let mut torn = case(8, 8, 6);
    torn.limits.max_overfitting = 0.0;
    check(
        &torn,
        Decision::Accept,
        Criterion::Overfitting,
        Outcome::Passed,
        &["within the limit of 0"],
    );
}

#[test]
fn a_bundle_may_grow_within_its_limits() {
    const MIB: u64 = 1 << 20;
    let case = |candidate, champion| Case {
        bytes: [candidate, champion],
        ..Case::default()
    };
    let size = Criterion::Size;
    check(
        &case(70 * MIB, 20 * MIB),
        Decision::Reject,
        size,
        Outcome::Refused,
        &[
            "70.0 MiB against the champion's 20.0 MiB: 3.50 times",
            "limit of 2 times",
        ],
    );
    check(
        &case(39 * MIB, 20 * MIB),
        Decision::Accept,
        size,
        Outcome::Passed,
        &["within the limit"],
    );
    check(
        &case(3 * MIB, MIB),
        Decision::Accept,
        size,
        Outcome::Passed,
        &["growth below 4 MiB"],
    );
    check(
        &case(1025 * MIB, 1024 * MIB),
        Decision::Reject,
        size,
        Outcome::Refused,
        &["at most 1024.0 MiB"],
    );
}

#[test]
fn latency_refuses_by_its_interval_only() {
    // One round for each pair of milliseconds, with four photographs.
    let case = |rounds: &[(f64, f64)]| Case {
        latency: Ok(LatencyRounds {
            rounds: rounds.iter().map(|pair| vec![*pair; 4]).collect(),
        }),
        ..Case::default()
    };
    let latency = Criterion::Latency;
    check(
        &case(&[(80.0, 40.0); 6]),
        Decision::Reject,
        latency,
        Outcome::Refused,
        &[
            "80.0 ms against the champion's 40.0 ms",
            "24 answers",
            "6 rounds",
            "2.00 times",
        ],
    );
    check(
        &case(&[(59.0, 40.0); 6]),
        Decision::Accept,
        latency,
        Outcome::Passed,
        &["within the limit of 1.5"],
    );
    // A machine that stumbles now and then: most rounds are above the limit, the interval is not.
    let mut noisy = [(80.0, 40.0); 6];
    noisy[2] = (40.0, 40.0);
    check(
        &case(&noisy),
        Decision::Accept,
        latency,
        Outcome::Warning,
        &["too noisy to tell"],
    );
    // A machine that is slow for a while is slow for both.
    let mut slow = [(40.0, 40.0); 6];
    slow[1] = (400.0, 400.0);
    check(
        &case(&slow),
        Decision::Accept,
        latency,
        Outcome::Passed,
        &["1.00 times"],
    );
    // A photograph during which the machine slept is one of a round's.
    let mut disturbed = case(&[(40.0, 40.0); 6]);
    if let Ok(timed) = &mut disturbed.latency {
        timed.rounds.iter_mut().for_each(|round| round[0].0 = 900.0);
    }
    check(
        &disturbed,
        Decision::Accept,
        latency,
        Outcome::Passed,
        &["1.00 times"],
    );
    check(
        &case(&[(80.0, 40.0); 5]),
        Decision::Accept,
        latency,
        Outcome::NotMeasured,
        &["in 5 rounds, and 6 are needed"],
    );
    let mut untimed = case(&[]);
    untimed.latency = Err("The candidate cannot be run".to_owned());
    check(
        &untimed,
        Decision::Accept,
        latency,
        Outcome::NotMeasured,
        &["cannot be run."],
    );
}
