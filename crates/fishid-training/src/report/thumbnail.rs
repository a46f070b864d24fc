//! The worst mistakes with their photographs: where the model was wrong and sure of it.

use std::collections::HashMap;

use fishid_image::{Limits, decode, encode_jpeg};

use super::ReportInput;
use super::data_uri::data_uri;
use super::page::{Mistake, percent};
use crate::evaluation::argmax;
use crate::golden::shrunk;

const N_MISTAKES: usize = 18;
const N_PER_GROUP: usize = 2;
const SIDE: f64 = 170.0;

/// Up to 18 wrong answers of the test split, the most confident first, two per group. A photograph that cannot be read
/// again is shown without a picture.
pub(super) fn worst_mistakes(input: &ReportInput<'_>) -> Vec<Mistake> {
    let plan = input.plan;
    let mut wrong: Vec<(f32, usize, usize)> = Vec::new();
    for (planned, row) in input.test.planned.iter().zip(&input.test.probabilities) {
        let answer = argmax(row);
        if plan.classes[answer] != plan.photographs[*planned].class {
            wrong.push((row[answer], *planned, answer));
        }
    }
    wrong.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    // Frames of one fish fail alike; a page full of them would hide the other mistakes.
    let mut n_of_group: HashMap<&str, usize> = HashMap::new();
    wrong.retain(|(_, planned, _)| {
        let n = n_of_group
            .entry(&plan.photographs[*planned].group)
            .or_default();
        *n += 1;
        *n <= N_PER_GROUP
    });
    wrong.truncate(N_MISTAKES);
    let name = |slug: &str| {
        let species = input.request.catalogue.resolve(slug);
        (species.en, species.ru)
    };
    wrong
        .into_iter()
        .map(|(confidence, planned, answer)| {
            let photograph = &plan.photographs[planned];
            let ((truth_en, truth_ru), (answer_en, answer_ru)) =
                (name(&photograph.class), name(&plan.classes[answer]));
            Mistake {
                picture: picture(input, photograph.photograph),
                path: photograph.path.clone(),
                truth_en,
                truth_ru,
                answer_en,
                answer_ru,
                confidence: percent(f64::from(confidence)),
            }
        })
        .collect()
}

fn picture(input: &ReportInput<'_>, photograph: usize) -> Option<String> {
    let dataset = input.request.dataset;
    let bytes = dataset.read(&dataset.photographs()[photograph]).ok()?;
    let photo = decode(&bytes, &Limits::default(), Some(SIDE as u32)).ok()?;
    let jpeg = encode_jpeg(&shrunk(&photo, SIDE), 78).ok()?;
    Some(data_uri("image/jpeg", &jpeg))
}
