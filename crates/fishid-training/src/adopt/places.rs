//! Whether each number of the output is shown to belong to the class that is said of it, class by class: a
//! rare one in another's place would drown in the sum over all.

use super::chance::{Grouped, SIGNIFICANCE, at_least};
use crate::evaluation::argmax;

/// Refuses classes that the samples do not show to be named more often where they are than where they are not.
pub(super) fn every_place(grouped: &Grouped, classes: &[String]) -> Result<(), String> {
    let answers: Vec<usize> = grouped.rows.iter().map(|row| argmax(row)).collect();
    let unproven: Vec<String> = (0..classes.len())
        .filter_map(|class| Place::of(class, &grouped.truth, &answers).doubt(classes))
        .collect();
    if unproven.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the samples do not show that its output names {}. Is --classes in the order of its output, and are --scale, --mean, --std, --channel-order and --fit those of its training? Then add photographs of more fish of these species; those it was trained on show it as well",
        unproven.join("; nor ")
    ))
}

/// How often one class is answered, in groups.
struct Place {
    class: usize,
    n: u64,
    n_named: u64,
    n_others: u64,
    n_others_named: u64,
    /// What groups of this class are answered most often instead.
    instead: Option<usize>,
}

impl Place {
    fn of(class: usize, truth: &[usize], answers: &[usize]) -> Self {
        let mut place = Self {
            class,
            n: 0,
            n_named: 0,
            n_others: 0,
            n_others_named: 0,
            instead: None,
        };
        let mut wrong: std::collections::BTreeMap<usize, u64> = std::collections::BTreeMap::new();
        for (&own, &answer) in truth.iter().zip(answers) {
            let is_named = u64::from(answer == class);
            if own == class {
                place.n += 1;
                place.n_named += is_named;
                if is_named == 0 {
                    *wrong.entry(answer).or_default() += 1;
                }
            } else {
                place.n_others += 1;
                place.n_others_named += is_named;
            }
        }
        place.instead = wrong
            .into_iter()
            .max_by_key(|&(_, count)| count)
            .map(|(answer, _)| answer);
        place
    }

    /// Why this place is not proven. The rate among the others is estimated with one success and one failure
    /// more (Laplace's rule of succession), so that few others prove little.
    fn doubt(&self, classes: &[String]) -> Option<String> {
        let rate = (self.n_others_named + 1) as f64 / (self.n_others + 2) as f64;
        if at_least(self.n_named, self.n, rate) < SIGNIFICANCE {
            return None;
        }
        let instead = self.instead.map_or_else(String::new, |other| {
            format!(", most others {}", classes[other])
        });
        Some(format!(
            "{} as number {}: {} of {} groups of its photographs are answered so{instead}, and {} of {} of other species",
            classes[self.class],
            self.class + 1,
            self.n_named,
            self.n,
            self.n_others_named,
            self.n_others
        ))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// (true class, answer, how many groups)
    fn check(pairs: &[(usize, usize, usize)]) -> Result<(), String> {
        let mut grouped = Grouped {
            rows: Vec::new(),
            truth: Vec::new(),
        };
        for &(truth, answer, n) in pairs {
            let mut row = vec![0.1; 4];
            row[answer] = 0.7;
            grouped.rows.extend(vec![row; n]);
            grouped.truth.extend(vec![truth; n]);
        }
        every_place(&grouped, &["a", "b", "c", "d"].map(str::to_owned))
    }

    #[test]
    fn a_few_right_groups_of_each_class_are_enough() {
        // 2 of 2 against (0 + 1) / (6 + 2) is one in 64; 3 of 3 against 1/11 one in 1331.
        assert!(check(&[(0, 0, 2), (1, 1, 2), (2, 2, 2), (3, 3, 2)]).is_err());
        assert_eq!(check(&[(0, 0, 3), (1, 1, 3), (2, 2, 3), (3, 3, 3)]), Ok(()));
        // A class that is often missed is still named where it is and hardly anywhere else.
        assert_eq!(
            check(&[(0, 0, 20), (1, 1, 20), (2, 2, 20), (3, 3, 4), (3, 0, 16)]),
            Ok(())
        );
    }

    #[test]
    fn two_rare_classes_in_each_others_place_are_refused_however_many_the_others_are() {
        let error = check(&[(0, 0, 50), (1, 1, 50), (2, 3, 2), (3, 2, 2)]).unwrap_err();
        assert!(
            error.contains("c as number 3: 0 of 2 groups") && error.contains("most others d"),
            "{error}"
        );
        assert!(error.contains("nor d as number 4"), "{error}");
    }

    #[test]
    fn one_sample_of_each_class_proves_nothing() {
        let error = check(&[(0, 0, 1), (1, 1, 1), (2, 2, 1), (3, 3, 1)]).unwrap_err();
        assert!(error.contains("1 of 1 groups"), "{error}");
    }
}
