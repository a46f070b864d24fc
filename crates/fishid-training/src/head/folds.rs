//! Inner folds: the training groups dealt into parts with like numbers of each class.

use std::collections::BTreeMap;

use rand::Rng;

use super::TrainingRows;
use crate::random;

/// A class needs photographs of so many groups before anything can be chosen by it.
const LEAST_GROUPS: usize = 3;

/// Which inner fold holds each row out; `None` for rows that every fold learns from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InnerFolds {
    held_out_by: Vec<Option<usize>>,
    n_folds: usize,
    can_choose: bool,
}

impl InnerFolds {
    /// Deals whole groups, largest first, each to the fold that has least of its classes.
    ///
    /// The groups of a class that has only one are never held out: the other folds could not know the class.
    pub(super) fn new(
        rows: &TrainingRows<'_>,
        n_classes: usize,
        n_folds: usize,
        seed: u64,
    ) -> Self {
        deal(rows.groups, rows.labels, n_classes, n_folds, seed)
    }

    pub(super) fn len(&self) -> usize {
        self.n_folds
    }

    /// Whether some class has groups enough for a search to mean anything.
    pub(super) fn can_choose(&self) -> bool {
        self.can_choose
    }

    pub(super) fn held_out_by(&self, row: usize) -> Option<usize> {
        self.held_out_by[row]
    }
}

fn deal(
    groups: &[String],
    labels: &[usize],
    n_classes: usize,
    n_folds: usize,
    seed: u64,
) -> InnerFolds {
    let mut counts: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (group, label) in groups.iter().zip(labels) {
        counts.entry(group).or_insert_with(|| vec![0; n_classes])[*label] += 1;
    }
    let groups_of_class: Vec<usize> = (0..n_classes)
        .map(|class| counts.values().filter(|of| of[class] > 0).count())
        .collect();
    let most = groups_of_class.iter().copied().max().unwrap_or(0);
    let n_folds = n_folds.min(most).max(1);
    let mut rng = random::stream(seed, "inner folds");
    let mut order: Vec<(&str, &Vec<usize>, u64)> = counts
        .iter()
        .map(|(group, of)| (*group, of, rng.next_u64()))
        .filter(|(_, of, _)| {
            of.iter()
                .zip(&groups_of_class)
                .all(|(n, groups)| *n == 0 || *groups > 1)
        })
        .collect();
    order.sort_by_key(|(_, of, draw)| (std::cmp::Reverse(of.iter().sum::<usize>()), *draw));
    let mut filled = vec![vec![0_usize; n_classes]; n_folds];
    let mut fold_of: BTreeMap<&str, usize> = BTreeMap::new();
    for (group, of, _) in order {
        let load = |fold: &Vec<usize>| {
            // How full the fold is of this group's classes, then of everything.
            let own: usize = of
                .iter()
                .zip(fold)
                .filter(|(n, _)| **n > 0)
                .map(|(_, has)| has)
                .sum();
            (own, fold.iter().sum::<usize>())
        };
        let fold = (0..n_folds)
            .min_by_key(|fold| load(&filled[*fold]))
            .unwrap_or(0);
        for (has, n) in filled[fold].iter_mut().zip(of) {
            *has += n;
        }
        fold_of.insert(group, fold);
    }
    InnerFolds {
        held_out_by: groups
            .iter()
            .map(|group| fold_of.get(group.as_str()).copied())
            .collect(),
        n_folds,
        can_choose: most >= LEAST_GROUPS,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    use super::{InnerFolds, TrainingRows};

    fn folds(labels: &[usize], groups: &[usize], seed: u64) -> InnerFolds {
        let groups: Vec<String> = groups.iter().map(usize::to_string).collect();
        let rows = TrainingRows {
            dim: 1,
            embeddings: &vec![0.0; labels.len()],
            labels,
            groups: &groups,
            is_original: &vec![true; labels.len()],
        };
        InnerFolds::new(&rows, 3, 3, seed)
    }

    proptest! {
        #[test]
        fn a_group_is_never_on_both_sides_of_a_fold(
            rows in prop::collection::vec((0_usize..3, 0_usize..12), 2..120),
            seed in 0_u64..20,
        ) {
            let (labels, groups): (Vec<usize>, Vec<usize>) = rows.into_iter().unzip();
            let folds = folds(&labels, &groups, seed);
            let mut fold_of_group = BTreeMap::new();
            for (row, group) in groups.iter().enumerate() {
                let fold = folds.held_out_by(row);
                prop_assert_eq!(*fold_of_group.entry(group).or_insert(fold), fold);
                prop_assert!(fold.is_none_or(|fold| fold < folds.len()));
            }
        }
    }

    #[test]
    fn every_class_is_spread_over_the_folds() {
        let labels: Vec<usize> = (0..90).map(|i| i % 3).collect();
        let groups: Vec<usize> = (0..90).collect();
        let folds = folds(&labels, &groups, 1);
        for class in 0..3 {
            for fold in 0..3 {
                let n = (0..90)
                    .filter(|i| labels[*i] == class && folds.held_out_by(*i) == Some(fold))
                    .count();
                assert_eq!(n, 10);
            }
        }
    }

    #[test]
    fn the_only_group_of_a_class_is_never_held_out() {
        let folds = folds(&[0, 0, 0, 1, 1, 2, 2], &[0, 1, 2, 3, 3, 4, 5], 0);
        assert_eq!((folds.held_out_by(3), folds.held_out_by(4)), (None, None));
        assert!(folds.held_out_by(0).is_some() && folds.held_out_by(6).is_some());
    }

    #[test]
    fn nothing_is_chosen_by_classes_of_one_or_two_groups() {
        assert!(!folds(&[0, 0, 0, 1, 1, 1], &[0, 0, 1, 2, 2, 3], 0).can_choose());
        assert!(folds(&[0, 0, 0, 1, 1, 1], &[0, 1, 2, 3, 3, 3], 0).can_choose());
    }
}
