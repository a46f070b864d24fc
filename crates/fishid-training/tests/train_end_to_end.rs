//! Photographs to bundle and back: the whole of `train` with drawn fish and the small backbone,
//! and with real photographs where they are.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fishid_bundle::Bundle;
use fishid_dataset::synth::{SynthRequest, synthesise};
use fishid_dataset::{Dataset, OpenOptions, Ratios, Split};
use fishid_engine::{EngineOptions, ImageModel};
use fishid_image::{Fit, Limits, Preprocessing};
use fishid_network::onnx::{Dimension, ValueInfoProto, element};
use fishid_network::{BackboneFile, GraphBuilder};
use fishid_taxonomy::Catalogue;
use fishid_testing::write_small_backbone;
use fishid_training::{
    DEFAULT_FIT, Progress, Recipe, Silent, TrainOutcome, TrainRequest, TrainingError, ViewPlan,
    train,
};

/// Less of everything, so that the test is about the way and not the quality.
fn quick() -> Recipe {
    let default = Recipe::default();
    Recipe {
        views: ViewPlan {
            n_augmented: 1,
            ..default.views
        },
        learning_rates: vec![3e-3],
        weight_decays: vec![0.1],
        ..default
    }
}

struct Workshop {
    dir: tempfile::TempDir,
    dataset: Dataset,
    backbone: BackboneFile,
}

impl Workshop {
    fn drawn(n_species: usize, per_class: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        synthesise(
            &SynthRequest {
                dir: data.clone(),
                n_species,
                per_class,
                seed: 3,
            },
            &|_, _| {},
        )
        .unwrap();
        let file = write_small_backbone(dir.path(), 0);
        Self {
            dataset: Dataset::open(data.to_str().unwrap(), &OpenOptions::default()).unwrap(),
            backbone: BackboneFile::open(&file).unwrap(),
            dir,
        }
    }

    fn train(&self, out: &str, recipe: &Recipe, progress: &mut dyn Progress) -> TrainOutcome {
        self.try_train(out, recipe, progress).unwrap()
    }

    fn try_train(
        &self,
        out: &str,
        recipe: &Recipe,
        progress: &mut dyn Progress,
    ) -> Result<TrainOutcome, TrainingError> {
        let request = TrainRequest {
            dataset: &self.dataset,
            backbone: &self.backbone,
            catalogue: Catalogue::builtin(),
            recipe,
            fit: DEFAULT_FIT,
            filter: fishid_image::Filter::default(),
            seed: 0,
            ratios: Ratios::default(),
            earlier: &BTreeMap::new(),
            lock: None,
            group_column: "group",
            n_threads: 2,
            cache_dir: &self.dir.path().join("embeddings"),
            shared_embeddings: None,
            model_name: "fish-classifier",
            code_version: "test",
        };
        train(&request, &self.dir.path().join(out), progress)
    }
}

/// The golden photographs of a bundle, answered by its own ONNX file.
fn largest_golden_difference(bundle: &Bundle) -> f32 {
    let manifest = bundle.manifest();
    let preprocessing: Preprocessing =
        serde_json::from_value(serde_json::to_value(&manifest.preprocessing).unwrap()).unwrap();
    let model = ImageModel::load(&bundle.model_path(), &EngineOptions::default()).unwrap();
    let mut largest = 0.0_f32;
    for golden in bundle.golden().unwrap() {
        let photo = preprocessing
            .load(&golden.bytes, &Limits::default())
            .unwrap();
        let answer = model.run(photo.pixels(), 1, &["probabilities"]).unwrap();
        for (got, wanted) in answer["probabilities"]
            .values
            .iter()
            .zip(&golden.probabilities)
        {
            largest = largest.max((got - wanted).abs());
        }
    }
    largest
}

fn splits_of(outcome: &TrainOutcome) -> BTreeMap<&str, BTreeSet<Split>> {
    let mut splits: BTreeMap<&str, BTreeSet<Split>> = BTreeMap::new();
    for photograph in &outcome.plan.photographs {
        splits
            .entry(&photograph.group)
            .or_default()
            .insert(photograph.split);
    }
    splits
}

#[derive(Default)]
struct Notes(Vec<String>);

impl Progress for Notes {
    fn started(&mut self, step: &str) {
        self.0.push(step.to_owned());
    }
    fn advanced(&mut self, done: usize, total: usize, _rate: Option<f64>) {
        assert!(done <= total, "{done} of {total}");
    }
    fn finished(&mut self, step: &str, _summary: &str) {
        assert_eq!(self.0.last().map(String::as_str), Some(step));
    }
    fn warn(&mut self, _text: &str) {}
}

#[test]
fn drawn_fish_become_a_bundle_that_proves_itself() {
    let workshop = Workshop::drawn(4, 24);
    let mut notes = Notes::default();
    let outcome = workshop.train("bundle", &quick(), &mut notes);
    assert_eq!(notes.0, ["check", "embed", "fit", "assemble"]);

    let bundle = Bundle::open(workshop.dir.path().join("bundle")).unwrap();
    bundle.verify().unwrap();
    assert!(
        outcome.onnx_difference < 1e-4,
        "{}",
        outcome.onnx_difference
    );
    assert!(largest_golden_difference(&bundle) < 1e-5);
    assert_eq!(bundle.golden().unwrap().len(), 32);
    assert!(splits_of(&outcome).values().all(|splits| splits.len() == 1));
    assert!(outcome.test.accuracy > 0.5, "{:?}", outcome.test);

    let manifest = bundle.manifest();
    assert!(
        manifest
            .demonstration
            .as_ref()
            .unwrap()
            .contains("drawn fish")
    );
    assert_eq!(manifest.data.origin, "synthetic");
    assert_eq!(manifest.splits.len(), splits_of(&outcome).len());
    assert!(manifest.evaluation.contains_key("test") && manifest.evaluation.contains_key("val"));
    for name in ["probabilities", "logits", "embedding", "activation"] {
        assert!(manifest.output(name).is_some(), "{name} is missing");
    }
    check_report(bundle.dir());
}

/// Self-contained, in both languages, with the banner.
fn check_report(bundle: &Path) {
    let report = std::fs::read_to_string(bundle.join("report.html")).unwrap();
    for loads in ["src=\"http", "href=", "url(", "@import", "<script", "<link"] {
        assert!(
            !report.contains(loads),
            "the report loads something: {loads}"
        );
    }
    for shown in [
        "Demonstration model",
        "Confusion matrix",
        "Лещ",
        "bream",
        "<svg",
        "95 %",
    ] {
        assert!(
            report.to_lowercase().contains(&shown.to_lowercase()),
            "{shown} is not in the report"
        );
    }
    assert!(!report.contains("{{") && !report.contains("{%"));
    let card = std::fs::read_to_string(bundle.join("model_card.md")).unwrap();
    assert!(card.contains("| test |") && card.contains("Demonstration model"));
}

#[test]
fn the_same_seed_gives_the_same_bundle_and_computes_no_embedding_twice() {
    let workshop = Workshop::drawn(3, 12);
    let first = workshop.train("first", &quick(), &mut Silent);
    let second = workshop.train("second", &quick(), &mut Silent);
    assert!(first.n_embeddings.0 > 0);
    assert_eq!(second.n_embeddings.0, 0);
    assert_eq!(
        first.bundle.bundle_digest().unwrap(),
        second.bundle.bundle_digest().unwrap()
    );
}

#[test]
fn another_mean_beside_the_same_backbone_is_not_answered_from_old_embeddings() {
    let mut workshop = Workshop::drawn(2, 8);
    let first = workshop.train("first", &quick(), &mut Silent);
    let sidecar = workshop.dir.path().join("small_backbone.json");
    let text = std::fs::read_to_string(&sidecar).unwrap();
    let mut fields: serde_json::Value = serde_json::from_str(&text).unwrap();
    fields["input"]["mean"] = serde_json::json!([0.2, 0.2, 0.2]);
    std::fs::write(&sidecar, fields.to_string()).unwrap();
    workshop.backbone = BackboneFile::open(&sidecar.with_extension("onnx")).unwrap();
    let second = workshop.train("second", &quick(), &mut Silent);
    assert_eq!(second.n_embeddings, first.n_embeddings);
    assert_eq!(second.n_embeddings.1, 0, "old embeddings were taken");
}

#[test]
fn a_backbone_that_sees_no_difference_is_refused_by_name() {
    let mut workshop = Workshop::drawn(2, 8);
    let mut builder = GraphBuilder::new("blind", "");
    let dims = [None, Some(3), Some(32), Some(32)]
        .map(|side| side.map_or_else(|| Dimension::symbolic("n"), Dimension::fixed));
    builder.input(ValueInfoProto::tensor(
        "input",
        element::FLOAT,
        dims.to_vec(),
    ));
    let pooled = builder.global_average_pool("input");
    let flat = builder.flatten(&pooled);
    let zero = builder.floats(&[1], &[0.0]);
    let blind = builder.binary("Mul", &flat, &zero);
    builder.output(
        "embedding",
        &blind,
        vec![Dimension::symbolic("n"), Dimension::fixed(3)],
    );
    let onnx = builder.into_model(13).save();
    workshop.backbone = BackboneFile::from_parts(&onnx, None, "blind-mole").unwrap();
    let error = workshop
        .try_train("bundle", &quick(), &mut Silent)
        .unwrap_err();
    assert!(matches!(error, TrainingError::Data(_)), "{error:?}");
    assert!(error.to_string().contains("blind-mole"), "{error}");
}

#[test]
fn nine_of_ten_is_promised_only_where_validation_bears_it_out() {
    let workshop = Workshop::drawn(2, 8);
    let outcome = workshop.train("bundle", &quick(), &mut Silent);
    // Too few validation photographs for a threshold: the fallback of one half.
    let calibration = &outcome.bundle.manifest().training["calibration"];
    assert_eq!(calibration["threshold_is_measured"], false);
    for file in ["report.html", "model_card.md"] {
        let text = std::fs::read_to_string(outcome.bundle.dir().join(file)).unwrap();
        assert!(!text.contains("nine of ten"), "{file}");
        assert!(text.contains("not sure"), "{file}");
    }
}

#[test]
fn a_taken_output_folder_is_refused_before_the_work_is_lost_on_it() {
    let workshop = Workshop::drawn(2, 8);
    let out = workshop.dir.path().join("taken");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("thesis.txt"), "mine").unwrap();
    let request = TrainRequest {
        dataset: &workshop.dataset,
        backbone: &workshop.backbone,
        catalogue: Catalogue::builtin(),
        recipe: &quick(),
        fit: Fit::Stretch,
        filter: fishid_image::Filter::default(),
        seed: 0,
        ratios: Ratios::default(),
        earlier: &BTreeMap::new(),
        lock: None,
        group_column: "group",
        n_threads: 2,
        cache_dir: &workshop.dir.path().join("embeddings"),
        shared_embeddings: None,
        model_name: "fish-classifier",
        code_version: "test",
    };
    let error = train(&request, &out, &mut Silent).unwrap_err().to_string();
    assert!(error.contains("taken"), "{error}");
    assert!(!workshop.dir.path().join("embeddings").exists());
    assert_eq!(
        std::fs::read_to_string(out.join("thesis.txt")).unwrap(),
        "mine"
    );
}

#[test]
fn real_photographs_and_a_real_backbone_beat_chance_by_far() {
    let Some(data) = std::env::var_os("FISHID_TEST_DATA") else {
        eprintln!("skipped: FISHID_TEST_DATA is not set");
        return;
    };
    let data = Path::new(&data);
    let dir = tempfile::tempdir().unwrap();
    let workshop = Workshop {
        dataset: Dataset::open(
            data.join("fishcam").to_str().unwrap(),
            &OpenOptions::default(),
        )
        .unwrap(),
        backbone: BackboneFile::open(&data.join("backbones/mobilenet_v2_imagenet.onnx")).unwrap(),
        dir,
    };
    let recipe = Recipe {
        views: ViewPlan {
            n_augmented: 0,
            ..quick().views
        },
        ..quick()
    };
    let outcome = workshop.train("bundle", &recipe, &mut Silent);
    assert!(outcome.bundle.manifest().demonstration.is_none());
    // Eleven fish are tested on, so the interval is wide; seven species by chance are 0.14.
    assert!(
        outcome.test.accuracy > 0.45 && outcome.test.accuracy_ci95[0] > 0.2,
        "{:?}",
        outcome.test
    );
    assert!(splits_of(&outcome).values().all(|splits| splits.len() == 1));
    assert!(largest_golden_difference(&outcome.bundle) < 1e-5);
}
