//! The whole pipeline with drawn fish, a small backbone and the real engine: what the gate lets through, what it
//! keeps out, and what it leaves on record.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use fishid_dataset::synth::{SynthRequest, synthesise};
use fishid_dataset::{Dataset, OpenOptions, Ratios};
use fishid_network::BackboneFile;
use fishid_pipeline::steps::{Folders, Watcher};
use fishid_pipeline::{PipelineRequest, PipelineResult};
use fishid_registry::{
    FolderRegistry, FolderTracker, ModelRegistry as _, Note, PRODUCTION, PublishNote, VersionRef,
};
use fishid_taxonomy::Catalogue;
use fishid_testing::{write_bundle, write_small_backbone};
use fishid_training::{
    Criterion, DEFAULT_FIT, Decision, GateLimits, Outcome, Recipe, Silent, TrainRequest, ViewPlan,
};

const MODEL: &str = "fish-classifier";

/// Limits that the drawn fish do not meet.
static STRICT: LazyLock<GateLimits> = LazyLock::new(|| GateLimits {
    min_photographs: 1000,
    ..GateLimits::default()
});

struct Quiet;
impl Watcher for Quiet {
    fn step(&mut self, _: &str, _: bool) {}
    fn ended(&mut self, _: &str, _: f64, _: &str) {}
}

/// Fish of four species in train, val and test by fish, and a place to run in.
struct Workshop {
    dir: tempfile::TempDir,
    /// (path under the drawn folder, class, fish).
    drawn: Vec<(String, String, String)>,
    species: Vec<String>,
}

impl Workshop {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("drawn");
        let request = SynthRequest {
            dir: folder.clone(),
            n_species: 4,
            per_class: 30,
            seed: 5,
        };
        synthesise(&request, &|_, _| {}).unwrap();
        let manifest = fs::read_to_string(folder.join("manifest.csv")).unwrap();
        let drawn: Vec<_> = manifest
            .lines()
            .skip(1)
            .map(|line| {
                let mut fields = line.split(',').map(str::to_owned);
                let mut next = || fields.next().unwrap();
                (next(), next(), next())
            })
            .collect();
        let mut species: Vec<String> = drawn.iter().map(|it| it.1.clone()).collect();
        species.dedup();
        assert_eq!(species.len(), 4);
        write_small_backbone(dir.path(), 0);
        Self {
            dir,
            drawn,
            species,
        }
    }

    /// A third of the fish to test on, a fifth to tune by. `label` names the class that a photograph of a class is
    /// put under in a split; `None` leaves it out.
    fn data(&self, name: &str, label: impl Fn(&str, &str) -> Option<String>) -> PathBuf {
        let folder = self.dir.path().join(name);
        let mut manifest = String::from("path,class,group\n");
        let mut fish: Vec<(&str, &str)> = Vec::new();
        for (path, class, group) in &self.drawn {
            if fish.last() != Some(&(class, group)) {
                fish.push((class, group));
            }
            let number = fish.iter().filter(|it| it.0 == class).count() - 1;
            let split = ["test", "train", "train", "val", "test", "train"][number % 6];
            let Some(label) = label(split, class) else {
                continue;
            };
            let file = Path::new(path).file_name().unwrap().to_str().unwrap();
            let place = format!("{split}/{label}/{file}");
            fs::create_dir_all(folder.join(format!("{split}/{label}"))).unwrap();
            fs::copy(
                self.dir.path().join("drawn").join(path),
                folder.join(&place),
            )
            .unwrap();
            manifest.push_str(&format!("{place},{label},{group}\n"));
        }
        fs::write(folder.join("manifest.csv"), manifest).unwrap();
        folder
    }

    /// The photographs as they were drawn.
    fn true_data(&self) -> PathBuf {
        self.data("true", |_, class| Some(class.to_owned()))
    }

    fn registry(&self) -> FolderRegistry {
        FolderRegistry::new(self.dir.path().join("registry"))
    }

    fn run(&self, data: &Path, change: impl FnOnce(&mut PipelineRequest<'_>)) -> PipelineResult {
        let root = self.dir.path();
        let dataset = Dataset::open(data.to_str().unwrap(), &OpenOptions::default()).unwrap();
        let backbone = BackboneFile::open(&root.join("small_backbone.onnx")).unwrap();
        let default = Recipe::for_backbone(&backbone);
        let recipe = Recipe {
            views: ViewPlan {
                n_augmented: 1,
                ..default.views
            },
            learning_rates: vec![3e-3],
            weight_decays: vec![0.1],
            dropouts: vec![0.0],
            ..default
        };
        let registry = self.registry();
        let tracker = FolderTracker::new(root.join("tracking"));
        let limits = GateLimits::default();
        let mut request = PipelineRequest {
            inspections: None,
            train: TrainRequest {
                dataset: &dataset,
                backbone: &backbone,
                catalogue: Catalogue::builtin(),
                recipe: &recipe,
                fit: DEFAULT_FIT,
                filter: fishid_image::Filter::default(),
                seed: 0,
                ratios: Ratios::default(),
                earlier: &BTreeMap::new(),
                lock: None,
                group_column: "group",
                n_threads: 2,
                cache_dir: &root.join("embeddings"),
                shared_embeddings: None,
                model_name: MODEL,
                code_version: "test",
            },
            registry: &registry,
            registry_url: "file:///srv/registry",
            tracker: &tracker,
            demonstrations_may_be_promoted: true,
            gate: &limits,
            allow_class_change: false,
            who: "anna",
            environment_tags: BTreeMap::new(),
            folders: Folders {
                state: root.join("state"),
                runs: root.join("runs"),
            },
            bundle_cache: &root.join("bundles"),
            settings: serde_json::Value::Null,
            force: false,
        };
        change(&mut request);
        fishid_pipeline::run(&request, &mut Quiet, &mut Silent).unwrap()
    }

    fn in_production(&self) -> String {
        let version = self.registry().alias(MODEL, PRODUCTION).unwrap();
        version.unwrap().version
    }

    fn tag_of(&self, version: &str) -> String {
        let version = self.registry().get(MODEL, &VersionRef::new(version));
        version.unwrap().tags["gate"].clone()
    }

    /// A version in production that this test did not train.
    fn put_into_production(&self, bundle: &Path) {
        let registry = self.registry();
        let version = registry
            .publish(MODEL, bundle, &PublishNote::default())
            .unwrap();
        let number = VersionRef::new(&version.version);
        let note = Note::default();
        registry
            .set_alias(MODEL, PRODUCTION, &number, &note)
            .unwrap();
    }
}

/// Compares a run with the outcome of one criterion, and what is on record with what it gave back.
#[track_caller]
fn check(
    workshop: &Workshop,
    result: &PipelineResult,
    decision: Decision,
    criterion: Criterion,
    outcome: Outcome,
) {
    assert_eq!(result.verdict.decision, decision, "{:#?}", result.verdict);
    let finding = result
        .verdict
        .findings
        .iter()
        .find(|it| it.criterion == criterion && it.outcome == outcome);
    let sentence = &finding
        .unwrap_or_else(|| panic!("{criterion:?} is not {outcome:?}: {:#?}", result.verdict))
        .sentence;
    let page = fs::read_to_string(&result.decision).unwrap();
    assert!(page.contains(sentence), "no {sentence} in\n{page}");
    let folder = workshop.dir.path().join("runs").join(&result.run);
    assert_eq!(result.decision, folder.join("gate.md"));
    let record: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("gate.json")).unwrap()).unwrap();
    assert_eq!(record["version"], result.version.as_str());
    assert_eq!(record["is_in_production"], result.promoted);
    assert!(record["findings"].as_array().unwrap().len() >= 4);
    assert_eq!(
        result.promote_by_hand.is_none(),
        result.promoted,
        "{result:?}"
    );
}

#[test]
fn a_worse_model_is_registered_with_its_reasons_and_not_promoted() {
    let workshop = Workshop::new();
    let first = workshop.run(&workshop.true_data(), |_| ());
    check(
        &workshop,
        &first,
        Decision::Accept,
        Criterion::Chance,
        Outcome::Passed,
    );
    assert!(first.promoted);
    assert!(workshop.tag_of("1").starts_with("passed: First model"));

    // Two species learned under each other's name; the photographs to test on are what they were.
    let species = workshop.species.clone();
    let swapped = workshop.data("swapped", |split, class| {
        let other = match class {
            _ if split == "test" => class,
            _ if class == species[0] => &species[1],
            _ if class == species[1] => &species[0],
            _ => class,
        };
        Some(other.to_owned())
    });
    let second = workshop.run(&swapped, |_| ());
    check(
        &workshop,
        &second,
        Decision::Reject,
        Criterion::MacroF1,
        Outcome::Refused,
    );
    check(
        &workshop,
        &second,
        Decision::Reject,
        Criterion::ClassRecall,
        Outcome::Refused,
    );
    check(
        &workshop,
        &second,
        Decision::Reject,
        Criterion::Overfitting,
        Outcome::Refused,
    );
    assert_eq!((second.version.as_str(), second.promoted), ("2", false));
    assert_eq!(workshop.in_production(), "1");
    let command =
        "fishid registry promote 2 --registry file:///srv/registry --model fish-classifier --force";
    assert!(second.promote_by_hand.unwrap().starts_with(command));
    let page = fs::read_to_string(&second.decision).unwrap();
    assert!(
        page.starts_with("# fish-classifier version 2 against version 1 in production: refused")
    );
    assert!(page.contains(command), "{page}");
    assert!(workshop.tag_of("2").starts_with("refused: Macro-F1"));
    // Both models were timed here, and the same network is as fast as itself.
    let latency = second.verdict.finding(Criterion::Latency).unwrap();
    assert_ne!(latency.outcome, Outcome::Refused, "{latency:?}");
    assert!(latency.numbers["n_pairs"] >= 12.0, "{latency:?}");
    // The tracker has the page and the decision in one line too.
    let tracked = walk(&workshop.dir.path().join("tracking"));
    let pages: Vec<_> = tracked
        .iter()
        .filter(|it| it.ends_with("gate.md"))
        .collect();
    assert_eq!(pages.len(), 2, "{tracked:?}");

    // The same photographs again: the decision is that of before, without looking, and on record again.
    let again = workshop.run(&swapped, |_| ());
    assert_eq!(again.verdict, second.verdict);
    assert_ne!(again.decision, second.decision);
    assert!(again.decision.is_file());
}

#[test]
fn other_classes_are_refused_unless_a_person_allows_them() {
    let workshop = Workshop::new();
    let last = workshop.species[3].clone();
    let three = workshop.data("three", |_, class| {
        (class != last).then(|| class.to_owned())
    });
    let first = workshop.run(&three, |_| ());
    assert!(first.promoted, "{:#?}", first.verdict);
    let all = workshop.true_data();
    let refused = workshop.run(&all, |_| ());
    check(
        &workshop,
        &refused,
        Decision::Reject,
        Criterion::Classes,
        Outcome::Refused,
    );
    assert!(refused.verdict.reasons[0].contains(&last));
    assert_eq!(workshop.in_production(), "1");
    let allowed = workshop.run(&all, |request| request.allow_class_change = true);
    check(
        &workshop,
        &allowed,
        Decision::Accept,
        Criterion::Classes,
        Outcome::Warning,
    );
    assert_eq!(
        allowed.version, refused.version,
        "the same bundle, judged otherwise"
    );
    assert_eq!(workshop.in_production(), "2");
    let history = workshop.registry().history(MODEL).unwrap();
    let why = &history.last().unwrap().why;
    assert!(why.starts_with("gate passed: "), "{why}");
    // And back: a model that forgets a class.
    let forgetful = workshop.run(&three, |_| ());
    assert_eq!(forgetful.verdict.decision, Decision::Reject);
    assert!(forgetful.verdict.reasons[0].contains(&format!("it would forget {last}")));
}

#[test]
fn too_few_photographs_are_a_stated_outcome_with_the_command_for_a_person() {
    let workshop = Workshop::new();
    let data = workshop.true_data();
    workshop.run(&data, |_| ());
    let second = workshop.run(&data, |request| {
        request.train.seed = 1;
        request.gate = &STRICT;
    });
    check(
        &workshop,
        &second,
        Decision::NotComparable,
        Criterion::TestSet,
        Outcome::NotMeasured,
    );
    assert!(!second.promoted);
    let command = second.promote_by_hand.unwrap();
    assert!(!command.contains("--force"), "{command}");
    assert!(workshop.tag_of("2").starts_with("not comparable: "));
}

#[test]
fn a_champion_that_cannot_be_read_is_left_to_a_person_and_stops_no_run() {
    let workshop = Workshop::new();
    let data = workshop.true_data();
    let first = workshop.run(&data, |_| ());
    let network = workshop
        .dir
        .path()
        .join("registry/fish-classifier/versions/1/bundle/model.onnx");
    let mut permissions = fs::metadata(&network).unwrap().permissions();
    #[expect(
        clippy::permissions_set_readonly_false,
        reason = "the test's own folder"
    )]
    permissions.set_readonly(false);
    fs::set_permissions(&network, permissions).unwrap();
    fs::write(&network, b"no network").unwrap();
    let second = workshop.run(&data, |request| request.train.seed = 1);
    // Drawn fish: what cannot be read may have been a real model, which a demonstration never replaces.
    check(
        &workshop,
        &second,
        Decision::Reject,
        Criterion::Champion,
        Outcome::Refused,
    );
    assert_ne!(second.version, first.version);
}

#[test]
fn a_champion_of_another_size_and_other_classes_is_compared_without_harm() {
    let workshop = Workshop::new();
    let tiny = write_bundle(&workshop.dir.path().join("tiny"), |parts| {
        parts.manifest.demonstration = Some("made for a test".to_owned());
    });
    workshop.put_into_production(&tiny);
    let result = workshop.run(&workshop.true_data(), |_| ());
    check(
        &workshop,
        &result,
        Decision::Reject,
        Criterion::Classes,
        Outcome::Refused,
    );
    let allowed = workshop.run(&workshop.true_data(), |request| {
        request.allow_class_change = true;
    });
    assert_ne!(allowed.verdict.decision, Decision::Accept);
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files
}
