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
