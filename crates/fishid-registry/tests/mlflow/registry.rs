//! What a server promises beyond the suite: damage, strangers, runs, what a person sees on the page.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use fishid_registry::conformance::tiny_bundle;
use fishid_registry::{
    Action, MlflowRegistry, ModelRegistry as _, Note, PublishNote, RunStatus, Tracker as _,
    VersionRef,
};
use fishid_testing::mlflow::{MlflowServer, require_mlflow};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A model with versions on the shared server.
struct Subject {
    server: &'static MlflowServer,
    registry: MlflowRegistry,
    model: &'static str,
    scratch: TempDir,
}

impl Subject {
    fn new(model: &'static str, n_versions: u64) -> Option<Self> {
        let server = require_mlflow()?;
        let subject = Self {
            server,
            registry: crate::registry(server),
            model,
            scratch: tempfile::tempdir().unwrap(),
        };
        for seed in 1..=n_versions {
            subject.publish(seed);
        }
        Some(subject)
    }

    fn bundle(&self, seed: u64) -> PathBuf {
        let dir = self.scratch.path().join(seed.to_string());
        if !dir.exists() {
            tiny_bundle(&dir, seed).unwrap();
        }
        dir
    }

    fn publish(&self, seed: u64) -> fishid_registry::Version {
        let note = PublishNote {
            who: "Анна".to_owned(),
            why: format!("seed {seed}"),
            ..PublishNote::default()
        };
        self.registry
            .publish(self.model, &self.bundle(seed), &note)
            .unwrap()
    }

    fn promote(&self, number: u64) {
        let note = Note {
            who: "Борис".to_owned(),
            why: "it is better".to_owned(),
        };
        self.registry
            .set_alias(self.model, "production", &VersionRef::Number(number), &note)
            .unwrap();
    }

    /// A call as another client of the server makes it.
    fn call(&self, method: &str, call: &str, body: &Value) -> Value {
        let url = format!("{}/api/2.0/mlflow/{call}", self.server.url());
        http(method, &url, body)
    }

    fn moves(&self) -> Vec<String> {
        let history = self.registry.history(self.model).unwrap();
        history
            .iter()
            .filter(|event| event.alias.is_some())
            .map(|event| {
                let from = event.from.as_deref().unwrap_or("-");
                format!("{} {:?} {from}→{}", event.who, event.action, event.to)
            })
            .collect()
    }

    /// The file of a version in the server's own folder.
    fn file(&self, number: u64, path: &str) -> PathBuf {
        let body = json!({"name": self.model, "version": number.to_string()});
        let version = self.call("GET", "model-versions/get", &body);
        let source = version["model_version"]["source"].as_str().unwrap();
        let source = source.strip_prefix("mlflow-artifacts:/").unwrap();
        self.server.artifacts().join(source).join(path)
    }
}

/// JSON over HTTP by curl's simplest means: this crate's own client is what is being tested.
pub(crate) fn http(method: &str, url: &str, body: &Value) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::new();
        let mut url: reqwest::Url = url.parse().unwrap();
        let request = if method == "GET" {
            let fields = body.as_object().unwrap().iter();
            let fields = fields.map(|(key, value)| (key, value.as_str().unwrap()));
            url.query_pairs_mut().extend_pairs(fields);
            client.get(url)
        } else {
            let method = method.parse().unwrap();
            client.request(method, url).json(body)
        };
        request.send().await.unwrap().json().await.unwrap()
    })
}

#[test]
fn a_version_shows_on_the_page_what_users_of_mlflow_expect() {
    let Some(subject) = Subject::new("on-the-page", 1) else {
        return;
    };
    subject.promote(1);
    let body = json!({"name": subject.model, "alias": "production"});
    let answer = subject.call("GET", "registered-models/alias", &body);
    let version = &answer["model_version"];
    assert_eq!(version["version"], "1");
    assert_eq!(version["current_stage"], "Production");
    let description = version["description"].as_str().unwrap();
    assert!(description.contains("2 species on none"), "{description}");
    assert!(description.contains("uint8 RGB"), "{description}");
    let run = version["run_id"].as_str().unwrap();
    let run = subject.call("GET", "runs/get", &json!({"run_id": run}));
    assert_eq!(run["run"]["info"]["status"], "FINISHED");
    let told = subject.registry.get(subject.model, &VersionRef::Number(1));
    assert_eq!(told.unwrap().run.unwrap().0, version["run_id"]);
}

#[test]
fn moves_made_on_the_page_are_noticed_and_can_be_rolled_back() {
    let Some(subject) = Subject::new("moved-by-others", 3) else {
        return;
    };
    subject.promote(1);
    let by_hand = json!({"name": subject.model, "alias": "production", "version": "3"});
    subject.call("POST", "registered-models/alias", &by_hand);
    let noticed = ["Борис Promoted -→1", "unknown Promoted 1→3"];
    assert_eq!(subject.moves(), noticed);
    let note = Note {
        who: "Вера".to_owned(),
        why: "not that one".to_owned(),
    };
    let back = subject
        .registry
        .rollback(subject.model, "production", &note);
    assert_eq!(back.unwrap().version, "1");
    let moves = [noticed[0], noticed[1], "Вера RolledBack 3→1"];
    assert_eq!(subject.moves(), moves);
    let off = json!({"name": subject.model, "alias": "production"});
    subject.call("DELETE", "registered-models/alias", &off);
    let moves = [&moves[..], &["unknown Removed 1→1"]].concat();
    assert_eq!(subject.moves(), moves);
    subject.promote(2);
    assert_eq!(
        subject.moves(),
        [&moves[..], &["Борис Promoted -→2"]].concat()
    );
}

#[test]
fn a_damaged_version_is_neither_fetched_nor_promoted_and_publishing_it_again_repairs_it() {
    let Some(subject) = Subject::new("damaged", 1) else {
        return;
    };
    let file = subject.file(1, "model.onnx");
    assert!(file.is_file(), "{}", file.display());
    fs::write(&file, "another network").unwrap();
    let cache = subject.scratch.path().join("cache");
    let number = VersionRef::Number(1);
    let errors = [
        subject
            .registry
            .fetch(subject.model, &number, &cache)
            .map(drop),
        subject
            .registry
            .set_alias(subject.model, "production", &number, &Note::default())
            .map(drop),
    ];
    for error in errors.map(|outcome| outcome.unwrap_err().to_string()) {
        assert!(error.contains("model.onnx is not what was"), "{error}");
        assert!(error.contains("Publish the bundle again"), "{error}");
    }
    // The remedy: the version gets its files back.
    assert_eq!(subject.publish(1).version, "1");
    subject.promote(1);
    fs::remove_file(&file).unwrap();
    let error = subject.registry.fetch(subject.model, &number, &cache);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("model.onnx is missing"), "{error}");
    assert_eq!(subject.publish(1).version, "1");
    subject
        .registry
        .fetch(subject.model, &number, &cache)
        .unwrap();
}

#[test]
fn a_damaged_bundle_of_the_cache_is_fetched_again() {
    let Some(subject) = Subject::new("cached", 1) else {
        return;
    };
    let cache = subject.scratch.path().join("cache");
    let fetch = || {
        let number = VersionRef::Number(1);
        subject
            .registry
            .fetch(subject.model, &number, &cache)
            .unwrap()
    };
    let folder = fetch();
    let content = fs::read(folder.join("model.onnx")).unwrap();
    fs::write(folder.join("model.onnx"), "x").unwrap();
    assert_eq!(fs::read(fetch().join("model.onnx")).unwrap(), content);
    // Whole, it needs nothing from the server's storage.
    fs::remove_file(subject.file(1, "model.onnx")).unwrap();
    assert_eq!(fs::read(fetch().join("model.onnx")).unwrap(), content);
}

#[test]
fn an_unfinished_download_is_gone_on_with() {
    let Some(subject) = Subject::new("unfinished", 1) else {
        return;
    };
    let version = subject.registry.get(subject.model, &VersionRef::Number(1));
    let digest = version.unwrap().bundle_digest;
    let cache = subject.scratch.path().join("cache");
    let partial = cache.join(format!(".{digest}.partial"));
    fs::create_dir_all(partial.join("golden")).unwrap();
    // The beginning of one file, the wrong beginning of another, and a stranger.
    fs::write(partial.join("model.onnx"), "no netw").unwrap();
    fs::write(partial.join("fishid.json"), "half").unwrap();
    fs::write(partial.join("golden/stray.png"), "x").unwrap();
    let number = VersionRef::Number(1);
    let folder = subject.registry.fetch(subject.model, &number, &cache);
    assert_eq!(folder.unwrap(), cache.join(digest));
    assert!(!partial.exists());
}

#[test]
fn versions_that_others_registered_are_listed_and_not_fetched() {
    let Some(subject) = Subject::new("from-python", 0) else {
        return;
    };
    let body = json!({"name": subject.model});
    subject.call("POST", "registered-models/create", &body);
    let body =
        json!({"name": subject.model, "source": "s3://bucket/model", "description": "by hand"});
    subject.call("POST", "model-versions/create", &body);
    let versions = subject.registry.versions(subject.model).unwrap();
    assert_eq!(versions[0].why, "by hand");
    assert_eq!(versions[0].bundle_digest, "");
    let number = VersionRef::Number(1);
    let error = subject
        .registry
        .fetch(subject.model, &number, subject.scratch.path());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("was not published by fishid"), "{error}");
}

#[test]
fn one_run_carries_the_numbers_and_the_model() {
    let Some(subject) = Subject::new("one-run", 0) else {
        return;
    };
    let tracker = crate::tracker(subject.server);
    let run = tracker
        .start_run("one-run", "a run", &BTreeMap::new())
        .unwrap();
    let note = PublishNote {
        run: Some(run.clone()),
        ..PublishNote::default()
    };
    let version = subject
        .registry
        .publish(subject.model, &subject.bundle(1), &note)
        .unwrap();
    assert_eq!(version.run.as_ref(), Some(&run));
    let info = subject.call("GET", "runs/get", &json!({"run_id": run.0}));
    let status = &info["run"]["info"]["status"];
    assert_eq!(status, "RUNNING", "it ends when its tracker says so");
    tracker.finish(&run, RunStatus::Finished).unwrap();
    let cache = subject.scratch.path().join("cache");
    let number = VersionRef::Number(1);
    subject
        .registry
        .fetch(subject.model, &number, &cache)
        .unwrap();
}

#[test]
fn what_a_stopped_publication_left_is_gone_on_with() {
    let Some(subject) = Subject::new("stopped", 1) else {
        return;
    };
    // As if the process had stopped just before it created the version.
    let before = subject.file(1, "model.onnx");
    let body = json!({"name": subject.model, "version": "1"});
    subject.call("DELETE", "model-versions/delete", &body);
    let again = subject.publish(1);
    assert_eq!(again.version, "2");
    assert_eq!(subject.file(2, "model.onnx"), before, "in the same run");
}

#[test]
fn a_deleted_version_leaves_its_run_and_takes_its_files() {
    let Some(subject) = Subject::new("deleted", 2) else {
        return;
    };
    let folder = subject.file(1, "");
    let run = subject.registry.get(subject.model, &VersionRef::Number(1));
    let run = run.unwrap().run.unwrap();
    assert!(folder.join("model.onnx").is_file());
    subject
        .registry
        .delete(subject.model, &VersionRef::Number(1), &Note::default())
        .unwrap();
    assert!(!folder.join("model.onnx").exists());
    assert!(!folder.join("../model.sha256").exists());
    let run = subject.call("GET", "runs/get", &json!({"run_id": run.0}));
    assert_eq!(run["run"]["info"]["lifecycle_stage"], "active");
    let history = subject.registry.history(subject.model).unwrap();
    let last = history.last().unwrap();
    assert_eq!((last.action, last.to.as_str()), (Action::Deleted, "1"));
    assert_eq!(history.len(), 3);
    let cache = subject.scratch.path().join("cache");
    let number = VersionRef::Number(2);
    subject
        .registry
        .fetch(subject.model, &number, &cache)
        .unwrap();
}
