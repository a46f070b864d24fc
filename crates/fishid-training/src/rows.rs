//! Embeddings joined with the plan: the rows of one split, ready for the head.

use std::collections::BTreeMap;

use fishid_dataset::Split;

use crate::embedding::Embeddings;
use crate::head::TrainingRows;
use crate::splits::SplitPlan;

/// Rows of one split that own their values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SplitRows {
    dim: usize,
    pub(crate) embeddings: Vec<f32>,
    pub(crate) labels: Vec<usize>,
    groups: Vec<String>,
    is_original: Vec<bool>,
    /// Index into `SplitPlan::photographs` of each row.
    pub(crate) planned: Vec<usize>,
}

impl SplitRows {
    /// All views of the split's photographs; `views_wanted` limits them (1 = the original only).
    /// Photographs of classes the model does not know are left out.
    pub(crate) fn of(
        plan: &SplitPlan,
        embeddings: &Embeddings,
        split: Split,
        views_wanted: usize,
    ) -> Self {
        let label_of: BTreeMap<&str, usize> = plan
            .classes
            .iter()
            .enumerate()
            .map(|(i, class)| (class.as_str(), i))
            .collect();
        let planned_as: BTreeMap<usize, usize> = plan
            .photographs
            .iter()
            .enumerate()
            .map(|(i, planned)| (planned.photograph, i))
            .collect();
        let mut rows = Self {
            dim: embeddings.dim,
            embeddings: Vec::new(),
            labels: Vec::new(),
            groups: Vec::new(),
            is_original: Vec::new(),
            planned: Vec::new(),
        };
        for embedded in &embeddings.photographs {
            let Some(index) = planned_as.get(&embedded.photograph) else {
                continue;
            };
            let planned = &plan.photographs[*index];
            let Some(label) = label_of
                .get(planned.class.as_str())
                .filter(|_| planned.split == split)
            else {
                continue;
            };
            for (view, embedding) in embedded.views.iter().take(views_wanted).enumerate() {
                rows.embeddings.extend_from_slice(embedding);
                rows.labels.push(*label);
                rows.groups.push(planned.group.clone());
                rows.is_original.push(view == 0);
                rows.planned.push(*index);
            }
        }
        rows
    }

    /// Whether there are rows and every one is the first again, but for rounding.
    pub(crate) fn are_all_alike(&self) -> bool {
        const ROUNDING: f32 = 1e-6;
        let Some(first) = self
            .embeddings
            .get(..self.dim)
            .filter(|row| !row.is_empty())
        else {
            return false;
        };
        let is_like_first = |row: &[f32]| {
            row.iter()
                .zip(first)
                .all(|(value, first)| (value - first).abs() <= ROUNDING * first.abs())
        };
        self.embeddings.chunks(self.dim).all(is_like_first)
    }

    pub(crate) fn view(&self) -> TrainingRows<'_> {
        TrainingRows {
            dim: self.dim,
            embeddings: &self.embeddings,
            labels: &self.labels,
            groups: &self.groups,
            is_original: &self.is_original,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SplitRows;

    #[track_caller]
    fn check(embeddings: &[f32], are_all_alike: bool) {
        let n = embeddings.len() / 2;
        let rows = SplitRows {
            dim: 2,
            embeddings: embeddings.to_vec(),
            labels: vec![0; n],
            groups: vec!["g".to_owned(); n],
            is_original: vec![true; n],
            planned: (0..n).collect(),
        };
        assert_eq!(rows.are_all_alike(), are_all_alike, "{embeddings:?}");
    }

    #[test]
    fn rows_are_alike_when_only_rounding_divides_them() {
        check(&[0.0, 0.0, 0.0, 0.0], true);
        check(&[0.5, 3.0, 0.5, 3.000_001, 0.5, 3.0], true);
        check(&[0.5, 3.0, 0.5, 3.0, 0.5, 3.01], false);
        check(&[0.0, 1e-9, 0.0, 2e-9], false);
        check(&[], false);
    }
}
