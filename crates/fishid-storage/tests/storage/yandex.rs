//! Yandex's token in place of a signature: a metadata service, a server that asks for the token, both local.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use fishid_storage::{S3Fault, Storage, StorageError};
use fishid_testing::http::{Reply, Server};
use fishid_testing::s3::{Fault, Proxy, S3Server};

/// Object Storage as a machine of Yandex's sees it.
struct Cloud {
    proxy: Proxy,
    metadata: Server,
    n_tokens: Arc<AtomicUsize>,
    _server: S3Server,
}

/// Every token lives `life` seconds; only the newest is taken. `metadata_fails` so many times at first.
fn cloud(life: u64, metadata_fails: usize) -> Option<Cloud> {
    let server = S3Server::start()?;
    server.create_open_bucket("fish");
    let newest = Arc::new(Mutex::new(String::new()));
    let n_tokens = Arc::new(AtomicUsize::new(0));
    let (made, counted) = (Arc::clone(&newest), Arc::clone(&n_tokens));
    let failures = AtomicUsize::new(metadata_fails);
    let metadata = Server::start("127.0.0.1", move |request| {
        let taken = |left: usize| left.checked_sub(1);
        if failures
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, taken)
            .is_ok()
        {
            return Reply::new(503, "");
        }
        let is_asked_well = request.path
            == "/computeMetadata/v1/instance/service-accounts/default/token"
            && request
                .headers
                .get("metadata-flavor")
                .is_some_and(|value| value == "Google");
        if !is_asked_well {
            return Reply::new(404, "");
        }
        let token = format!("t1.secret-{}", counted.fetch_add(1, Ordering::SeqCst));
        made.lock().unwrap().clone_from(&token);
        Reply::new(
            200,
            format!(
                "{{\"access_token\":\"{token}\",\"expires_in\":{life},\"token_type\":\"Bearer\"}}"
            ),
        )
    });
    let proxy = Proxy::start(server.address(), move |seen| {
        if seen.header("x-yacloud-subjecttoken") == Some(newest.lock().unwrap().as_str())
            && seen.header("authorization").is_none()
        {
            Fault::None
        } else {
            Fault::Refuse(400, "ExpiredToken")
        }
    });
    Some(Cloud {
        proxy,
        metadata,
        n_tokens,
        _server: server,
    })
}

impl Cloud {
    fn settings(&self, more: &[(&str, &str)]) -> BTreeMap<String, String> {
        [
            ("AWS_ENDPOINT_URL", self.proxy.url().as_str()),
            (
                "YC_METADATA_ADDR",
                self.metadata.url().trim_start_matches("http://"),
            ),
        ]
        .into_iter()
        .chain(more.iter().copied())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
    }
}

#[test]
fn the_machines_token_is_fetched_once_and_sent_with_every_request() {
    let Some(cloud) = cloud(43_200, 2) else {
        return;
    };
    let storage = Storage::open("s3://fish/rivers", &cloud.settings(&[])).unwrap();
    storage.put("a.txt", "perch").unwrap();
    assert_eq!(storage.read("a.txt").unwrap(), "perch");
    assert_eq!(storage.list().unwrap().files.len(), 1);
    assert_eq!(cloud.n_tokens.load(Ordering::SeqCst), 1);
    assert!(!format!("{storage:?}").contains("t1.secret"));
}

#[test]
fn a_token_is_renewed_before_its_time_is_over() {
    // Tokens without a life: each request needs a new one, and the server takes only the newest.
    let Some(cloud) = cloud(0, 0) else {
        return;
    };
    let storage = Storage::open("s3://fish/rivers", &cloud.settings(&[])).unwrap();
    for n in 0..5 {
        storage.put(&format!("{n}.txt"), "perch").unwrap();
    }
    assert_eq!(cloud.n_tokens.load(Ordering::SeqCst), 5);
}

#[test]
fn a_machine_without_a_service_account_says_what_to_do() {
    let Some(cloud) = cloud(43_200, usize::MAX) else {
        return;
    };
    let storage = Storage::open("s3://fish/rivers", &cloud.settings(&[])).unwrap();
    let error = storage.read("a.txt").unwrap_err();
    let StorageError::S3 { problem, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(problem.fault, S3Fault::NoToken);
    assert!(
        error.to_string().contains("attach a service account"),
        "{error}"
    );
    assert!(error.to_string().contains(&cloud.proxy.url()), "{error}");
}

#[test]
fn a_token_from_the_environment_is_used_and_its_end_explained() {
    let Some(cloud) = cloud(43_200, 0) else {
        return;
    };
    let settings = cloud.settings(&[("YC_TOKEN", "t1.old-secret")]);
    let storage = Storage::open("s3://fish/rivers", &settings).unwrap();
    let error = storage.read("a.txt").unwrap_err().to_string();
    assert!(
        error.contains("YC_TOKEN") && error.contains("expired"),
        "{error}"
    );
    assert!(!error.contains("old-secret"), "{error}");
    assert_eq!(
        cloud.n_tokens.load(Ordering::SeqCst),
        0,
        "the machine's token was not asked for"
    );
    let seen = cloud.proxy.seen();
    assert!(
        seen.iter()
            .all(|seen| seen.header("x-yacloud-subjecttoken") == Some("t1.old-secret"))
    );
}
