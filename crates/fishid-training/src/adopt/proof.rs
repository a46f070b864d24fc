//! What the samples prove about a classifier, and what they disprove: plain numbers in, a reason out.

use fishid_network::AnswerKind;

use super::chance::{Grouped, is_beyond_chance};
use crate::evaluation::{Evaluation, argmax};

/// Half precision rounds each probability by up to 5e-4 of itself.
const SUM_TOLERANCE: f32 = 2e-3;

/// What the numbers are: as stated, if they bear it out, else as they look.
pub(super) fn kind(stated: Option<AnswerKind>, rows: &[Vec<f32>]) -> Result<AnswerKind, String> {
    if rows.iter().flatten().any(|value| !value.is_finite()) {
        return Err(
            "some of its answers are not numbers; are --scale, --mean and --std right?".to_owned(),
        );
    }
    let are_shares = rows
        .iter()
        .flatten()
        .all(|value| (-1e-6..=1.0 + 1e-6).contains(value));
    let sums = rows.iter().map(|row| row.iter().sum::<f32>());
    let off = sums.max_by(|a, b| (a - 1.0).abs().total_cmp(&(b - 1.0).abs()));
    let off = off.unwrap_or(1.0);
    let sum_to_1 = (off - 1.0).abs() <= SUM_TOLERANCE;
    match (stated, are_shares, sum_to_1) {
        (Some(AnswerKind::Logits), true, true) => Err(
            "its numbers are probabilities already (from 0 to 1, sum 1); leave --output-kind logits out".to_owned(),
        ),
        (Some(AnswerKind::Probabilities), false, _) => Err(
            "its numbers are not probabilities: some are below 0 or above 1. If a softmax makes probabilities of them, say --output-kind logits".to_owned(),
        ),
        (Some(AnswerKind::Probabilities) | None, true, false) => Err(format!(
            "its numbers are from 0 to 1, but sum to {off:.3} instead of 1, so that they are no probabilities; if they are logits all the same, say --output-kind logits"
        )),
        (None, false, _) if is_one_sum(rows) => Err(format!(
            "its numbers are never below 0 and always sum to {off:.1}, as percentages do; export it with probabilities, or with logits"
        )),
        (_, true, true) => Ok(AnswerKind::Probabilities),
        (Some(AnswerKind::Logits), ..) | (None, false, _) => Ok(AnswerKind::Logits),
    }
}

/// Whether all rows are shares of the same whole.
fn is_one_sum(rows: &[Vec<f32>]) -> bool {
    let sums: Vec<f32> = rows.iter().map(|row| row.iter().sum()).collect();
    let first = sums.first().copied().unwrap_or_default();
    rows.len() > 1
        && rows.iter().flatten().all(|value| *value >= 0.0)
        && sums
            .iter()
            .all(|sum| (sum - first).abs() <= SUM_TOLERANCE * first)
}

/// Refuses an order of the classes that another one beats beyond chance, and names that one.
pub(super) fn class_order(grouped: &Grouped, classes: &[String]) -> Result<(), String> {
    let n = classes.len();
    let mut counts = vec![vec![0_u64; n]; n];
    for (row, &class) in grouped.rows.iter().zip(&grouped.truth) {
        counts[class][argmax(row)] += 1;
    }
    let place = best_places(&counts);
    let moved: Vec<usize> = (0..n).filter(|&class| place[class] != class).collect();
    let gain: u64 = moved.iter().map(|&class| counts[class][place[class]]).sum();
    let loss: u64 = moved.iter().map(|&class| counts[class][class]).sum();
    // By shares too: a frequent class that is taken for a rare one is a mistake, not another order.
    let share_gained: f64 = moved
        .iter()
        .map(|&class| {
            let n: u64 = counts[class].iter().sum();
            let own = counts[class][class] as f64;
            (counts[class][place[class]] as f64 - own) / n.max(1) as f64
        })
        .sum();
    if share_gained <= 0.0 || !is_beyond_chance(gain, loss) {
        return Ok(());
    }
    let examples: Vec<String> = moved
        .iter()
        .take(5)
        .map(|&class| {
            format!(
                "{} of {} groups of photographs of {} are answered {}",
                counts[class][place[class]],
                counts[class].iter().sum::<u64>(),
                classes[class],
                classes[place[class]]
            )
        })
        .collect();
    let mut order = vec![""; n];
    for (class, &place) in place.iter().enumerate() {
        order[place] = &classes[class];
    }
    Err(format!(
        "the classes seem to stand in another order than stated: {}. The labels of the samples fit this order: --classes {}",
        examples.join("; "),
        order.join(",")
    ))
}

/// Class → place in the output: the largest counts first, each place once. Classes for which nothing is
/// left keep their own place where it is free.
fn best_places(counts: &[Vec<u64>]) -> Vec<usize> {
    let n = counts.len();
    let mut cells: Vec<(usize, usize)> = (0..n)
        .flat_map(|class| (0..n).map(move |answer| (class, answer)))
        .collect();
    // Among equal counts the diagonal goes first: no evidence is no reason to move a class.
    cells.sort_by_key(|&(class, answer)| {
        (std::cmp::Reverse(counts[class][answer]), class != answer)
    });
    let mut places = vec![None; n];
    let mut is_taken = vec![false; n];
    for (class, answer) in cells {
        if places[class].is_none() && !is_taken[answer] {
            places[class] = Some(answer);
            is_taken[answer] = true;
        }
    }
    places
        .into_iter()
        .enumerate()
        .map(|(class, place)| place.unwrap_or(class))
        .collect()
}

/// Refuses a classifier that the samples do not show to know more than the most frequent class.
pub(super) fn above_chance(evaluation: &Evaluation) -> Result<(), String> {
    let most_frequent = evaluation.per_class.values().map(|score| score.n).max();
    let chance = most_frequent.unwrap_or(0) as f64 / evaluation.n.max(1) as f64;
    let [low, high] = evaluation.accuracy_ci95;
    if low > chance {
        return Ok(());
    }
    Err(format!(
        "it names {:.0} % of {} samples of {} groups right (95 % between {:.0} % and {:.0} %), and always answering the most frequent class would reach {:.0} %. Either --classes is not in the order of its output, or --scale, --mean, --std, --layout or --channel-order are not those it was trained with, or there are too few samples",
        100.0 * evaluation.accuracy,
        evaluation.n,
        evaluation.n_groups,
        100.0 * low,
        100.0 * high,
        100.0 * chance
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use AnswerKind::{Logits, Probabilities};

    #[track_caller]
    fn check_kind(stated: Option<AnswerKind>, row: [f32; 2], expected: Result<AnswerKind, &str>) {
        match (kind(stated, &[row.to_vec()]), expected) {
            (found, Ok(wanted)) => assert_eq!(found, Ok(wanted)),
            (Err(found), Err(words)) => assert!(found.contains(words), "{found}"),
            (found, wanted) => panic!("{found:?} instead of {wanted:?}"),
        }
    }

    #[test]
    fn numbers_are_taken_for_what_they_are() {
        check_kind(None, [0.25, 0.75], Ok(Probabilities));
        check_kind(None, [-1.0, 3.0], Ok(Logits));
        check_kind(None, [0.2, 0.3], Err("sum to 0.500"));
        check_kind(Some(Logits), [0.2, 0.3], Ok(Logits));
        check_kind(Some(Logits), [0.25, 0.75], Err("probabilities already"));
        check_kind(Some(Probabilities), [-1.0, 3.0], Err("below 0 or above 1"));
        check_kind(Some(Probabilities), [0.2, 0.3], Err("sum to 0.500"));
        check_kind(None, [0.0, 100.0], Ok(Logits));
        let percentages = [vec![25.0, 75.0], vec![99.0, 1.0]];
        assert!(kind(None, &percentages).unwrap_err().contains("sum to 100"));
        assert_eq!(kind(Some(Logits), &percentages), Ok(Logits));
        check_kind(None, [f32::NAN, 0.3], Err("not numbers"));
    }

    /// One sample a pair (true class, answer), ten times over.
    fn rows(pairs: &[(usize, usize)]) -> (Vec<Vec<f32>>, Vec<usize>) {
        let one = |&(truth, answer): &(usize, usize)| {
            let mut row = vec![0.1; 4];
            row[answer] = 0.7;
            (row, truth)
        };
        let of_all = pairs.iter().cycle().take(10 * pairs.len());
        of_all.map(one).unzip()
    }

    fn order(pairs: &[(usize, usize)]) -> Result<(), String> {
        let classes = ["a", "b", "c", "d"].map(str::to_owned);
        let (rows, truth) = rows(pairs);
        class_order(&Grouped { rows, truth }, &classes)
    }

    #[test]
    fn a_right_order_and_honest_mistakes_pass() {
        assert_eq!(order(&[(0, 0), (1, 1), (2, 2), (3, 3)]), Ok(()));
        // Everything is answered `a`: a bad classifier, but no other order.
        assert_eq!(order(&[(0, 0), (1, 0), (2, 0), (3, 0)]), Ok(()));
        // `b` is mostly answered `a`, which is mostly right itself.
        assert_eq!(
            order(&[(0, 0), (1, 0), (1, 0), (1, 1), (2, 2), (3, 3)]),
            Ok(())
        );
        let mut many = vec![(1, 0); 9];
        many.extend([(0, 0), (1, 1), (2, 2), (3, 3)]);
        assert_eq!(order(&many), Ok(()));
    }

    #[test]
    fn a_turned_order_is_refused_with_the_one_that_fits() {
        let error = order(&[(0, 1), (1, 2), (2, 0), (3, 3)]).unwrap_err();
        assert!(error.contains("--classes c,a,b,d"), "{error}");
        assert!(
            error.contains("10 of 10 groups of photographs of a are answered b"),
            "{error}"
        );
    }

    #[test]
    fn two_classes_in_each_others_place_are_found_among_right_ones() {
        let error = order(&[(0, 0), (1, 1), (2, 3), (3, 2)]).unwrap_err();
        assert!(error.contains("--classes a,b,d,c"), "{error}");
    }
}
