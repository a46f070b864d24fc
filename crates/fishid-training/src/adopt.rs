//! A classifier that another program trained becomes a bundle, after it has been proven on labelled
//! photographs that the bundle answers as the classifier does and that its classes stand in the stated order.
//!
//! Knows nothing of how it was trained, and says so in the bundle. Start at [`adopt`].

mod answers;
mod chance;
mod classes;
mod feeding;
mod manifest;
mod places;
mod proof;
mod report;

use std::path::Path;

use fishid_bundle::{Bundle, BundleParts};
use fishid_dataset::{Dataset, Inspection, groups_of, inspect};
use fishid_engine::{EngineOptions, ImageModel};
use fishid_image::{Filter, Fit, Limits, Preprocessing};
use fishid_network::{AnswerKind, ForeignClassifier};
use fishid_taxonomy::Catalogue;
use serde_json::json;

use self::answers::Answers;
use self::chance::Grouped;
pub use self::classes::class_names;
use self::manifest::manifest;
use crate::assemble::outputs;
use crate::error::TrainingError;
use crate::evaluation::{BootstrapOptions, Evaluation, EvaluationInput};
use crate::golden::{GoldenCandidate, answered_golden, margin, select_golden};
use crate::progress::Progress;

/// The name of the backbone in the bundle of an adopted classifier.
pub const ADOPTED: &str = "adopted";
/// What is adopted, and what it is proven on.
#[derive(Clone, Copy)]
pub struct AdoptRequest<'a> {
    /// The classifier.
    pub foreign: &'a ForeignClassifier,
    /// Slugs of its classes in the order of its output.
    pub classes: &'a [String],
    /// Labelled photographs.
    pub samples: &'a Dataset,
    /// Names of the classes.
    pub catalogue: &'a Catalogue,
    /// How a photograph becomes its rectangle.
    pub fit: Fit,
    /// The resizing kernel.
    pub filter: Filter,
    /// Column of `manifest.csv` the groups come from.
    pub group_column: &'a str,
    /// Where the classifier is from, for the record.
    pub source: &'a str,
    /// Name of the model.
    pub model_name: &'a str,
    /// Version of the code, for the record.
    pub code_version: &'a str,
}

/// What became of it.
#[derive(Debug)]
pub struct Adopted {
    /// The bundle on disk.
    pub bundle: Bundle,
    /// Numbers on the samples.
    pub evaluation: Evaluation,
    /// Largest difference of a probability between the classifier and the bundle.
    pub difference: f32,
    /// What the classifier's own numbers were.
    pub kind: AnswerKind,
}

/// A sample that can be shown to the classifier.
struct Sample {
    photograph: usize,
    class: usize,
    group: String,
}

impl AdoptRequest<'_> {
    fn preprocessing(&self) -> Preprocessing {
        Preprocessing {
            width: self.foreign.input.width,
            height: self.foreign.input.height,
            fit: self.fit,
            filter: self.filter,
        }
    }
}

/// Proves the classifier on the samples and writes its bundle to `out`.
///
/// # Errors
/// [`TrainingError::Data`] with what could not be proven; nothing is written then.
pub fn adopt(
    request: &AdoptRequest<'_>,
    out: &Path,
    progress: &mut dyn Progress,
) -> Result<Adopted, TrainingError> {
    for text in &request.foreign.assumed {
        progress.warn(&format!("assumed: {text}"));
    }
    let n_classes = request.classes.len();
    if let Some(own) = request.foreign.n_classes().filter(|&own| own != n_classes) {
        return Err(refused(format!(
            "{n_classes} classes are named, but its output `{}` has {own}",
            request.foreign.output()
        )));
    }
    let inspections = look(request, progress);
    let samples = samples(request, &inspections)?;

    progress.started("compare");
    let answers = Answers::of_original(request, &samples, progress)?;
    let kind = proof::kind(request.foreign.kind(), &answers.rows).map_err(refused)?;
    let expected = answers.probabilities(kind);
    let truth: Vec<usize> = samples.iter().map(|sample| sample.class).collect();
    let groups = samples.iter().map(|sample| sample.group.as_str());
    let grouped = Grouped::of(&expected, &truth, groups);
    proof::class_order(&grouped, request.classes).map_err(refused)?;
    none_better(&answers, &truth).map_err(refused)?;

    let model_onnx = request.foreign.wrapped(n_classes, kind);
    let model =
        ImageModel::load(&model_onnx, &EngineOptions::default()).map_err(answers::blamed)?;
    let compared = answers::compare(request, &samples, &model, &expected, progress)?;
    let evaluation = evaluate(request, &samples, &compared.probabilities);
    proof::above_chance(&evaluation).map_err(refused)?;
    places::every_place(&grouped, request.classes).map_err(refused)?;
    progress.finished(
        "compare",
        &format!(
            "{} photographs: the bundle answers as the classifier does, within {:.1e}",
            samples.len(),
            compared.difference
        ),
    );

    let golden = golden(request, &samples, &compared.probabilities, &model)?;
    let input_example = golden.first().map(|first| example(request, first));
    let input_example = input_example.transpose()?;
    let mut manifest = manifest(request, &inspections, &evaluation, &model)?;
    manifest.training["adopted"]["output_kind"] = json!(kind.as_str());
    manifest.training["adopted"]["largest_difference"] = json!(compared.difference);
    manifest.outputs = outputs(&model)?;
    let parts = BundleParts {
        report_html: report::html(&manifest, &evaluation)?,
        model_card: report::card(&manifest, &evaluation)?,
        model_onnx,
        manifest,
        golden,
        input_example,
    };
    Ok(Adopted {
        bundle: fishid_bundle::write(out, parts)?,
        evaluation,
        difference: compared.difference,
        kind,
    })
}

/// The samples that were fed in other ways too, as stated and as not.
fn none_better(answers: &Answers, truth: &[usize]) -> Result<(), String> {
    let own: Vec<&[f32]> = answers
        .probed
        .iter()
        .map(|&index| answers.rows[index].as_slice())
        .collect();
    let truth: Vec<usize> = answers.probed.iter().map(|&index| truth[index]).collect();
    feeding::none_better(&own, &answers.others, &truth)
}

fn refused(mut reason: String) -> TrainingError {
    reason.insert_str(0, "the classifier cannot be adopted: ");
    TrainingError::Data(reason)
}

fn look(request: &AdoptRequest<'_>, progress: &mut dyn Progress) -> Vec<Inspection> {
    progress.started("check");
    let shared = std::sync::Mutex::new(&mut *progress);
    let inspections = inspect(request.samples, &Limits::default(), &|done, total| {
        if let Ok(mut progress) = shared.lock() {
            progress.advanced(done, total, None);
        }
    });
    let n_readable = inspections.iter().filter(|seen| seen.is_readable()).count();
    progress.finished("check", &format!("{n_readable} sample photographs"));
    inspections
}

/// The readable samples; every class must have some, and none may be of another class.
fn samples(
    request: &AdoptRequest<'_>,
    inspections: &[Inspection],
) -> Result<Vec<Sample>, TrainingError> {
    let groups = groups_of(request.samples, inspections);
    let mut samples = Vec::new();
    let mut unknown = std::collections::BTreeSet::new();
    for (index, photograph) in request.samples.photographs().iter().enumerate() {
        let slug = request.catalogue.resolve(&photograph.class).slug;
        match request.classes.iter().position(|class| *class == slug) {
            None => {
                unknown.insert(photograph.class.as_str());
            }
            Some(class) if inspections[index].is_readable() => samples.push(Sample {
                photograph: index,
                class,
                group: groups[index].clone(),
            }),
            Some(_) => {}
        }
    }
    let listed = |names: &[&str]| names.join(", ");
    if !unknown.is_empty() {
        return Err(refused(format!(
            "the samples have species that are not among its classes: {}. Its classes are {}; leave these folders out, or correct --classes",
            listed(&unknown.into_iter().collect::<Vec<_>>()),
            request.classes.join(", ")
        )));
    }
    let without: Vec<&str> = request
        .classes
        .iter()
        .enumerate()
        .filter(|(class, _)| samples.iter().all(|sample| sample.class != *class))
        .map(|(_, slug)| slug.as_str())
        .collect();
    if !without.is_empty() {
        return Err(refused(format!(
            "no sample photograph shows {}; the place of these classes in its output cannot be proven. Add a folder of photographs for each",
            listed(&without)
        )));
    }
    Ok(samples)
}

fn evaluate(
    request: &AdoptRequest<'_>,
    samples: &[Sample],
    probabilities: &[Vec<f32>],
) -> Evaluation {
    let truth: Vec<String> = samples
        .iter()
        .map(|sample| request.classes[sample.class].clone())
        .collect();
    let groups: Vec<String> = samples.iter().map(|sample| sample.group.clone()).collect();
    let input = EvaluationInput {
        probabilities,
        truth: &truth,
        groups: &groups,
        classes: request.classes,
    };
    Evaluation::compute(&input, &BootstrapOptions::default())
}

fn golden(
    request: &AdoptRequest<'_>,
    samples: &[Sample],
    probabilities: &[Vec<f32>],
    model: &ImageModel,
) -> Result<Vec<fishid_bundle::GoldenPhoto>, TrainingError> {
    let candidates: Vec<GoldenCandidate> = samples
        .iter()
        .zip(probabilities)
        .enumerate()
        .map(|(index, (sample, row))| GoldenCandidate {
            photograph: index,
            class: sample.class,
            margin: margin(row),
        })
        .collect();
    let chosen = select_golden(&candidates, request.classes.len());
    let photographs = request.samples.photographs();
    let originals = chosen
        .iter()
        .map(|&index| {
            let photograph = &photographs[samples[index].photograph];
            Ok(request.samples.read(photograph)?.to_vec())
        })
        .collect::<Result<Vec<_>, TrainingError>>()?;
    let classes: Vec<&str> = chosen
        .iter()
        .map(|&index| request.classes[samples[index].class].as_str())
        .collect();
    answered_golden(&originals, &classes, &request.preprocessing(), model)
}

/// The pixels of a golden photograph: it is in the bundle anyway.
fn example(
    request: &AdoptRequest<'_>,
    golden: &fishid_bundle::GoldenPhoto,
) -> Result<Vec<u8>, TrainingError> {
    let photo = request
        .preprocessing()
        .load(&golden.bytes, &Limits::default())
        .map_err(|error| TrainingError::Data(format!("a golden photograph: {error}")))?;
    Ok(photo.pixels().to_vec())
}
