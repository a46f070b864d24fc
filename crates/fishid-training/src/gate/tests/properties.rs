//! What holds whatever the answers are.

use proptest::prelude::*;

use super::*;

const CLASSES: [&str; 4] = ["a", "b", "c", "d"];

/// Answers of both models over a few groups: (group, truth, candidate, champion, confidence).
fn answered() -> impl Strategy<Value = Vec<GatePhotograph>> {
    let one = (
        0..12_usize,
        0..4_usize,
        0..4_usize,
        0..4_usize,
        0.25..1.0_f64,
    );
    proptest::collection::vec(one, 0..160).prop_map(|rows| {
        rows.into_iter()
            .map(
                |(group, truth, candidate, champion, confidence)| GatePhotograph {
                    group: format!("group {group}"),
                    truth: CLASSES[truth].to_owned(),
                    candidate: GateAnswer {
                        class: CLASSES[candidate].to_owned(),
                        confidence,
                    },
                    champion: GateAnswer {
                        class: CLASSES[champion].to_owned(),
                        confidence: 1.25 - confidence,
                    },
                },
            )
            .collect()
    })
}

fn case(photographs: Vec<GatePhotograph>) -> Case {
    Case {
        photographs,
        candidate_classes: strings(&CLASSES),
        champion_classes: strings(&CLASSES),
        n_resamples: 100,
        ..Case::default()
    }
}

fn swapped(photographs: &[GatePhotograph]) -> Vec<GatePhotograph> {
    let swap = |it: &GatePhotograph| GatePhotograph {
        candidate: it.champion.clone(),
        champion: it.candidate.clone(),
        ..it.clone()
    };
    photographs.iter().map(swap).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_candidate_that_answers_as_the_champion_is_never_refused(mut photographs in answered()) {
        for photograph in &mut photographs {
            photograph.candidate = photograph.champion.clone();
        }
        let verdict = case(photographs).judge();
        prop_assert_ne!(verdict.decision, Decision::Reject);
        prop_assert!(verdict.findings.iter().all(|it| it.outcome != Outcome::Refused));
    }

    #[test]
    fn the_difference_changes_its_sign_with_the_sides_and_both_are_never_refused_by_it(photographs in answered()) {
        let (here, there) = (case(photographs.clone()).judge(), case(swapped(&photographs)).judge());
        prop_assert_eq!(here.n, there.n);
        if let (Some([low, high]), Some([other_low, other_high])) =
            (here.macro_f1_difference_ci95, there.macro_f1_difference_ci95)
        {
            prop_assert!((low + other_high).abs() < 1e-9 && (high + other_low).abs() < 1e-9);
            let is_refused = |verdict: &Verdict| {
                verdict.finding(Criterion::MacroF1).map(|it| it.outcome) == Some(Outcome::Refused)
            };
            prop_assert!(!(is_refused(&here) && is_refused(&there)));
        }
    }

    #[test]
    fn a_candidate_that_only_loses_answers_and_all_of_one_class_is_never_accepted(mut photographs in answered()) {
        for photograph in &mut photographs {
            photograph.candidate = photograph.champion.clone();
        }
        // Six groups of a class that the champion always knew and the candidate never does.
        for group in 0..6 {
            for _ in 0..4 {
                photographs.push(GatePhotograph {
                    group: format!("new group {group}"),
                    truth: "e".to_owned(),
                    candidate: answer("a"),
                    champion: answer("e"),
                });
            }
        }
        let mut case = case(photographs);
        case.candidate_classes.push("e".to_owned());
        case.champion_classes.push("e".to_owned());
        prop_assert_eq!(case.judge().decision, Decision::Reject);
    }

    #[test]
    fn the_same_evidence_gives_the_same_verdict_and_all_of_it_is_json(photographs in answered()) {
        let case = case(photographs);
        let verdict = case.judge();
        prop_assert_eq!(&verdict, &case.judge());
        let json = serde_json::to_string(&verdict).unwrap();
        prop_assert_eq!(serde_json::from_str::<Verdict>(&json).unwrap(), verdict);
    }
}
