//! What happens between two calls of a writer: a proxy in front of the server lets somebody else act there.

use std::sync::{Arc, Mutex};

use fishid_registry::conformance::tiny_bundle;
use fishid_registry::{
    MlflowRegistry, MlflowSettings, ModelRegistry as _, Note, PublishNote, RegistryError, Version,
    VersionRef,
};
use fishid_testing::http::{Reply, Request, Server};
use fishid_testing::mlflow::{MlflowServer, require_mlflow};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::registry::http;

/// When somebody else acts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    After,
}

type Act = Box<dyn FnOnce() + Send>;

/// A proxy, and the writer that goes through it.
struct Delayed {
    registry: MlflowRegistry,
    _proxy: Server,
}

/// Lets `act` happen once, before or after the first call of that method whose path contains `call`.
fn delayed(
    server: &MlflowServer,
    method: &'static str,
    call: &'static str,
    when: When,
    act: impl FnOnce() + Send + 'static,
) -> Delayed {
    let act: Arc<Mutex<Option<Act>>> = Arc::new(Mutex::new(Some(Box::new(act))));
    let target = server.url().to_owned();
    let proxy = Server::start("127.0.0.1", move |request| {
        let is_it = request.method == method && request.path.contains(call);
        let act = is_it.then(|| act.lock().unwrap().take()).flatten();
        let Some(act) = act else {
            return forward(&target, request);
        };
        if when == When::Before {
            act();
            return forward(&target, request);
        }
        let reply = forward(&target, request);
        act();
        reply
    });
    let url = format!("mlflow+{}", proxy.url());
    Delayed {
        registry: MlflowRegistry::new(&url, &MlflowSettings::default()).unwrap(),
        _proxy: proxy,
    }
}

fn forward(target: &str, request: &Request) -> Reply {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let method: reqwest::Method = request.method.parse().unwrap();
        let mut call = reqwest::Client::new()
            .request(method, format!("{target}{}", request.path))
            .body(request.body.clone());
        for name in ["content-type", "range"] {
            if let Some(value) = request.headers.get(name) {
                call = call.header(name, value);
            }
        }
        let answer = call.send().await.unwrap();
        let status = answer.status().as_u16();
        Reply::new(status, answer.bytes().await.unwrap())
    })
}

/// A model with versions 1 and 2 on the shared server, 2 in production.
#[derive(Clone)]
struct Subject {
    server: &'static MlflowServer,
    model: &'static str,
    scratch: Arc<TempDir>,
}

impl Subject {
    fn new(model: &'static str) -> Option<Self> {
        let subject = Self {
            server: require_mlflow()?,
            model,
            scratch: Arc::new(tempfile::tempdir().unwrap()),
        };
        let direct = crate::registry(subject.server);
        for seed in [1, 2] {
            subject.publish(&direct, seed);
        }
        subject.promote(&direct, 2).unwrap();
        Some(subject)
    }

    fn publish(&self, registry: &MlflowRegistry, seed: u64) -> Version {
        let dir = self.scratch.path().join(seed.to_string());
        if !dir.exists() {
            tiny_bundle(&dir, seed).unwrap();
        }
        let note = PublishNote::default();
        registry.publish(self.model, &dir, &note).unwrap()
    }

    fn promote(&self, registry: &MlflowRegistry, number: u64) -> Result<Version, RegistryError> {
        let number = VersionRef::Number(number);
        registry.set_alias(self.model, "production", &number, &Note::default())
    }

    fn delete(&self, registry: &MlflowRegistry, number: u64) -> Result<(), RegistryError> {
        registry.delete(self.model, &VersionRef::Number(number), &Note::default())
    }

    fn direct(&self) -> MlflowRegistry {
        crate::registry(self.server)
    }

    fn call(&self, method: &str, call: &str, body: &Value) -> Value {
        let url = format!("{}/api/2.0/mlflow/{call}", self.server.url());
        http(method, &url, body)
    }

    /// What a deletion does before it looks at the aliases.
    fn mark(&self, number: &str) {
        let body = json!({"name": self.model, "version": number, "key": "fishid.deleting.0", "value": "-"});
        self.call("POST", "model-versions/set-tag", &body);
    }

    fn check_production(&self, number: &str) {
        let holder = self.direct().alias(self.model, "production").unwrap();
        assert_eq!(holder.map(|it| it.version).as_deref(), Some(number));
        let history = self.direct().history(self.model).unwrap();
        let last = history.iter().rfind(|event| event.alias.is_some()).unwrap();
        assert_eq!(last.to, number, "{history:#?}");
    }

    /// Reads every file of a version.
    fn check_whole(&self, version: &str) {
        let cache = tempfile::tempdir().unwrap();
        self.direct()
            .fetch(self.model, &VersionRef::new(version), cache.path())
            .unwrap();
    }
}

#[test]
fn a_version_that_is_about_to_be_deleted_is_not_promoted() {
    let Some(subject) = Subject::new("promoted-while-deleted") else {
        return;
    };
    let other = subject.clone();
    let call = "model-versions/delete";
    let writer = delayed(subject.server, "DELETE", call, When::Before, move || {
        let error = other.promote(&other.direct(), 1).unwrap_err().to_string();
        assert!(error.contains("is being deleted"), "{error}");
        assert!(error.contains("fishid registry prune"), "{error}");
    });
    subject.delete(&writer.registry, 1).unwrap();
    subject.check_production("2");
    let versions = subject.direct().versions(subject.model).unwrap();
    assert_eq!(versions.len(), 1);
}

#[test]
fn an_alias_that_went_with_a_deleted_version_is_put_back() {
    let Some(subject) = Subject::new("deleted-while-promoted") else {
        return;
    };
    // The deletion looked at the aliases before the move, and deletes after it.
    let (before, after) = (subject.clone(), subject.clone());
    let marker = delayed(
        subject.server,
        "POST",
        "registered-models/alias",
        When::After,
        move || {
            before.mark("1");
            let body = json!({"name": after.model, "version": "1"});
            after.call("DELETE", "model-versions/delete", &body);
        },
    );
    let error = subject.promote(&marker.registry, 1).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("was deleted meanwhile"), "{error}");
    assert!(error.contains("points at version 2 again"), "{error}");
    subject.check_production("2");
}

#[test]
fn an_alias_on_a_version_that_is_being_deleted_is_put_back_and_the_next_deletion_goes_on() {
    let Some(subject) = Subject::new("marked-while-promoted") else {
        return;
    };
    let other = subject.clone();
    let call = "registered-models/alias";
    let writer = delayed(subject.server, "POST", call, When::After, move || {
        other.mark("1");
    });
    let error = subject
        .promote(&writer.registry, 1)
        .unwrap_err()
        .to_string();
    assert!(error.contains("is being deleted"), "{error}");
    subject.check_production("2");
    subject.delete(&subject.direct(), 1).unwrap();
    subject.check_production("2");
}

#[test]
fn an_alias_that_a_stranger_lost_with_the_version_is_said_aloud() {
    let Some(subject) = Subject::new("lost-by-a-stranger") else {
        return;
    };
    let other = subject.clone();
    let call = "model-versions/delete";
    let writer = delayed(subject.server, "DELETE", call, When::Before, move || {
        let body = json!({"name": other.model, "alias": "production", "version": "1"});
        other.call("POST", "registered-models/alias", &body);
    });
    let error = subject.delete(&writer.registry, 1).unwrap_err().to_string();
    assert!(
        error.contains("production (it was at version 2)"),
        "{error}"
    );
    assert!(error.contains("fishid registry promote 2"), "{error}");
}

#[test]
fn a_bundle_published_while_its_old_version_goes_keeps_its_files() {
    let Some(subject) = Subject::new("published-while-deleted") else {
        return;
    };
    let other = subject.clone();
    let call = "model-versions/delete";
    let writer = delayed(subject.server, "DELETE", call, When::Before, move || {
        assert_eq!(other.publish(&other.direct(), 1).version, "3");
    });
    subject.delete(&writer.registry, 1).unwrap();
    subject.check_whole("3");
}

#[test]
fn a_version_that_came_to_the_same_run_meanwhile_keeps_its_files() {
    let Some(subject) = Subject::new("shared-while-deleted") else {
        return;
    };
    let other = subject.clone();
    let call = "model-versions/delete";
    let writer = delayed(subject.server, "DELETE", call, When::Before, move || {
        let body = json!({"name": other.model, "version": "1"});
        let first = other.call("GET", "model-versions/get", &body)["model_version"].clone();
        let tags: Vec<&Value> = first["tags"].as_array().unwrap().iter().collect();
        let tags: Vec<&&Value> = tags
            .iter()
            .filter(|it| it["key"] == "bundle_digest")
            .collect();
        let body = json!({"name": other.model, "source": first["source"], "run_id": first["run_id"], "tags": tags});
        other.call("POST", "model-versions/create", &body);
    });
    subject.delete(&writer.registry, 1).unwrap();
    subject.check_whole("3");
}

#[test]
fn a_publication_whose_files_a_deletion_took_begins_anew() {
    let Some(subject) = Subject::new("emptied-while-published") else {
        return;
    };
    let body = json!({"name": subject.model, "version": "1"});
    let first = subject.call("GET", "model-versions/get", &body)["model_version"].clone();
    let source = first["source"].as_str().unwrap();
    let folder = source.strip_prefix("mlflow-artifacts:/").unwrap();
    let file = subject.server.artifacts().join(folder).join("model.onnx");
    std::fs::write(&file, "another network").unwrap();
    // The publication mends the files in the run of version 1, which is deleted with them at that moment.
    let other = subject.clone();
    let writer = delayed(
        subject.server,
        "PUT",
        "model.sha256",
        When::After,
        move || {
            other.delete(&other.direct(), 1).unwrap();
        },
    );
    let version = subject.publish(&writer.registry, 1);
    assert!(!file.exists() || version.version != "1");
    subject.check_whole(&version.version);
}
