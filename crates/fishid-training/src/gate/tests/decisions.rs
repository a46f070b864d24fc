//! What is decided beside the numbers: changed classes, first models, what is not compared with; and how it is told.

use super::*;

#[test]
fn a_change_of_classes_needs_a_persons_word() {
    let case = |candidate: &[&str], champion: &[&str], allow_class_change| Case {
        candidate_classes: strings(candidate),
        champion_classes: strings(champion),
        allow_class_change,
        ..Case::default()
    };
    let classes = Criterion::Classes;
    for (candidate, champion, words) in [
        (
            &[PIKE, PERCH][..],
            &[PIKE, PERCH, "salmo_trutta", "tinca_tinca"][..],
            "it would forget salmo_trutta, tinca_tinca",
        ),
        (
            &[PIKE, PERCH, "tinca_tinca"],
            &[PIKE, PERCH],
            "it would also answer tinca_tinca",
        ),
        (
            &[PERCH, PIKE],
            &[PIKE, PERCH],
            "the order of the classes is another one: perca_fluviatilis, esox_lucius",
        ),
    ] {
        let verdict = check(
            &case(candidate, champion, false),
            Decision::Reject,
            classes,
            Outcome::Refused,
            &[words, "--allow-class-change"],
        );
        assert!(
            verdict.macro_f1_difference.is_some(),
            "the numbers are there for the person who decides"
        );
        check(
            &case(candidate, champion, true),
            Decision::Accept,
            classes,
            Outcome::Warning,
            &[words, "compared on the 2 classes that both know"],
        );
    }
}

#[test]
fn a_champion_of_unknown_origin_is_told_of_whatever_is_decided() {
    let words = "on which photographs is not known";
    let unknown = || Case {
        lineage_is_known: false,
        ..Case::default()
    };
    let (lineage, warning) = (Criterion::Lineage, Outcome::Warning);
    let mut worse = unknown();
    for photograph in &mut worse.photographs {
        photograph.candidate.class = PIKE.to_owned();
        photograph.champion.class.clone_from(&photograph.truth);
    }
    let mut few = unknown();
    few.photographs.truncate(4);
    for (case, decision) in [
        (unknown(), Decision::Accept),
        (worse, Decision::Reject),
        (few, Decision::NotComparable),
    ] {
        let verdict = check(&case, decision, lineage, warning, &[words]);
        assert!(
            verdict.reasons.iter().any(|reason| reason.contains(words)),
            "{decision:?}: {:?}",
            verdict.reasons
        );
    }
    assert!(Case::default().judge().finding(lineage).is_none());
}

#[test]
fn photographs_of_classes_that_only_one_model_knows_are_not_compared_on() {
    let mut case = Case {
        candidate_classes: strings(&[PIKE, PERCH, "tinca_tinca"]),
        allow_class_change: true,
        ..Case::default()
    };
    for photograph in case.photographs.iter_mut().take(16) {
        photograph.truth = "tinca_tinca".to_owned();
        photograph.candidate = answer("tinca_tinca");
    }
    let verdict = check(
        &case,
        Decision::Accept,
        Criterion::TestSet,
        Outcome::Warning,
        &[
            "104 photographs of 26 groups",
            "16 left out because only one of the models knows their classes",
        ],
    );
    assert_eq!(verdict.macro_f1_difference, Some(0.0));
    // Nothing in common at all is nothing to compare on, not a panic.
    case.champion_classes = strings(&["salmo_trutta", "thymallus_thymallus"]);
    check(
        &case,
        Decision::NotComparable,
        Criterion::TestSet,
        Outcome::NotMeasured,
        &["0 photographs of 0 groups"],
    );
}

#[test]
fn a_first_model_must_be_better_than_guessing() {
    let case = |right| Case {
        right_of_ten: [right, right],
        ..Case::default()
    };
    let chance = Criterion::Chance;
    check_verdict(
        case(8).judge_against(Against::Nothing),
        Decision::Accept,
        chance,
        Outcome::Passed,
        &[
            "First model: macro-F1 0.800",
            "above the chance level of 0.500",
        ],
    );
    check_verdict(
        case(5).judge_against(Against::Nothing),
        Decision::Reject,
        chance,
        Outcome::Refused,
        &["not above the chance level"],
    );
    let empty = Case {
        n_split_groups: 0,
        ..Case::default()
    };
    check_verdict(
        empty.judge_against(Against::Nothing),
        Decision::NotComparable,
        chance,
        Outcome::NotMeasured,
        &["0 photographs of 0 classes"],
    );
    let mut large = case(8);
    large.bytes = [2 << 30; 2];
    check_verdict(
        large.judge_against(Against::Nothing),
        Decision::Reject,
        Criterion::Size,
        Outcome::Refused,
        &["at most 1024.0 MiB"],
    );
}

#[test]
fn demonstrations_and_models_that_cannot_be_read_are_not_compared_with() {
    let case = Case::default();
    let champion = Criterion::Champion;
    check_verdict(
        case.judge_against(Against::Demonstration("7")),
        Decision::Accept,
        champion,
        Outcome::Passed,
        &["Version 7 in production is a demonstration"],
    );
    let verdict = check_verdict(
        case.judge_against(Against::Real("7")),
        Decision::Reject,
        champion,
        Outcome::Refused,
        &["never replaces a model trained on photographs (version 7)"],
    );
    assert_eq!(verdict.reasons.len(), 1);
    let unreadable = Against::Unreadable {
        version: "7",
        reason: "model.onnx is damaged",
    };
    let verdict = check_verdict(
        case.judge_against(unreadable),
        Decision::NotComparable,
        champion,
        Outcome::NotMeasured,
        &["model.onnx is damaged"],
    );
    assert!(verdict.reasons[0].contains("Version 7 in production cannot be compared with"));
}

#[test]
fn the_page_has_the_decision_every_number_and_the_command() {
    let verdict = Case {
        photographs: two_classes(2, 1),
        ..Case::default()
    }
    .judge();
    let page = gate_page(
        &verdict,
        &GatePage {
            model: "fish-classifier",
            version: Some("4"),
            run: "20260101T000000Z-1",
            decided_at: "2026-01-01 00:00 UTC",
            held_back: None,
            is_in_production: false,
            promote: Some("fishid registry promote 4"),
        },
    );
    for words in [
        "# fish-classifier version 4 against version 3 in production: refused",
        "worse beyond chance",
        "    fishid registry promote 4 --force --why \"…\"",
        "| macro-F1 | **refused** | 0.500 | 0.750 | -0.250",
        "| recall of esox_lucius |",
        "| overfitting | passed | 0.800 (validation) | 0.800 (test) |",
        "| size | passed | 20.0 MiB | 20.0 MiB | × 1.00 | × 2 |",
        "| latency | passed | 40.0 ms | 40.0 ms |",
    ] {
        assert!(page.contains(words), "no {words} in\n{page}");
    }
}

#[test]
fn a_verdict_survives_json() {
    let verdict = Case::default().judge();
    let json = serde_json::to_string(&verdict).unwrap();
    assert_eq!(serde_json::from_str::<Verdict>(&json).unwrap(), verdict);
    let finding: &Finding = verdict.finding(Criterion::Latency).unwrap();
    assert!(finding.numbers.values().all(|value| value.is_finite()));
}
