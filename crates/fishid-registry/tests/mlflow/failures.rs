//! A server that fails on purpose: which failures are tried again, and what a person reads.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fishid_registry::{
    Credentials, MlflowRegistry, MlflowSettings, MlflowTracker, ModelRegistry as _, PublishNote,
    Secret, Timing, Tracker as _, VersionRef,
};
use fishid_testing::http::{Ending, Reply, Request, Server};

const SECRET: &str = "geheim-geheim";

type Seen = Arc<Mutex<Vec<Request>>>;

/// A server that answers the n-th request by `answer(n, request)`, and what it saw.
fn server(answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> (Server, Seen) {
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    let server = Server::start("127.0.0.1", move |request| {
        let mut log = log.lock().unwrap();
        log.push(request.clone());
        answer(log.len(), request)
    });
    (server, seen)
}

fn settings() -> MlflowSettings {
    MlflowSettings {
        credentials: Credentials::Token(Secret::new(SECRET)),
        timing: Timing {
            read_timeout: Duration::from_millis(300),
            first_backoff: Duration::from_millis(1),
            longest_backoff: Duration::from_millis(5),
            attempts: 3,
            ..Timing::default()
        },
        ..MlflowSettings::default()
    }
}

fn registry(url: &str, settings: &MlflowSettings) -> MlflowRegistry {
    MlflowRegistry::new(&format!("mlflow+{url}"), settings).unwrap()
}

fn html(status: u16) -> Reply {
    Reply::new(status, "<!doctype html><title>Not here</title>")
}

fn json(status: u16, code: &str) -> Reply {
    let body = format!(r#"{{"error_code": "{code}", "message": "SELECT secret FROM table"}}"#);
    Reply::new(status, body)
}

/// What is said when every call is answered like this, and how often it was asked.
fn check(reply: &Reply, n_asked: usize, words: &[&str]) {
    let answer = reply.clone();
    let (server, seen) = server(move |_, _| answer.clone());
    let registry = registry(&server.url(), &settings());
    let error = registry.versions("fish").unwrap_err().to_string();
    let port = server.url().rsplit_once(':').unwrap().1.to_owned();
    for word in [&["model-versions/search", port.as_str()][..], words].concat() {
        assert!(error.contains(word), "{error:?} does not say {word:?}");
    }
    for secret in [SECRET, "SELECT"] {
        assert!(!error.contains(secret), "{error}");
    }
    assert_eq!(seen.lock().unwrap().len(), n_asked, "{error}");
}

#[test]
fn each_refusal_names_the_call_the_server_and_the_remedy() {
    check(&html(401), 1, &["the given token", "MLFLOW_TRACKING_TOKEN"]);
    check(
        &json(403, "PERMISSION_DENIED"),
        1,
        &["permit", "administrator"],
    );
    let host = "Invalid Host header - possible DNS rebinding attack detected";
    check(&Reply::new(403, host), 1, &["--allowed-hosts '127.0.0.1:"]);
    check(&html(404), 1, &["no MLflow server", "HTML"]);
    check(&html(200), 1, &["no MLflow server", "HTML"]);
    check(
        &Reply::new(200, r#"{"model_versions": 7}"#),
        1,
        &["2.9 or newer"],
    );
    let redirect = Reply::new(302, "").header("location", "https://a:geheim-geheim@sso/login");
    check(&redirect, 1, &["a redirect to https://sso/login"]);
    check(&json(400, "BAD_REQUEST"), 1, &["refused", "BAD_REQUEST"]);
    check(&html(413), 1, &["client_max_body_size"]);
}

#[test]
fn what_may_pass_is_tried_again() {
    check(&html(502), 3, &["Bad Gateway", "502"]);
    check(
        &json(503, "TEMPORARILY_UNAVAILABLE"),
        3,
        &["TEMPORARILY_UNAVAILABLE"],
    );
    check(&json(500, "INTERNAL_ERROR"), 3, &["its database"]);
    check(&json(429, "REQUEST_LIMIT_EXCEEDED"), 3, &["429"]);
    let mut cut = Reply::new(200, vec![b' '; 100]);
    cut.ending = Ending::Cut(10);
    check(&cut, 3, &["was cut", "Try again"]);
    cut.ending = Ending::Stall(10);
    check(&cut, 3, &["did not answer", "300ms"]);
}

#[test]
fn a_call_that_fails_once_succeeds_the_second_time() {
    let (server, seen) = server(|n, _| match n {
        1 => html(503),
        _ => Reply::new(200, "{}"),
    });
    let versions = registry(&server.url(), &settings()).versions("fish");
    assert_eq!(versions.unwrap(), []);
    // Asked again, and then once for the aliases.
    assert_eq!(seen.lock().unwrap().len(), 3);
}

#[test]
fn what_must_not_be_done_twice_is_sent_once() {
    let (server, seen) = server(|_, request| {
        if request.path.contains("runs/create") {
            return html(502);
        }
        Reply::new(200, r#"{"experiment": {"experiment_id": "1"}}"#)
    });
    let url = format!("mlflow+{}", server.url());
    let tracker = MlflowTracker::new(&url, &settings()).unwrap();
    let error = tracker.start_run("e", "n", &std::collections::BTreeMap::new());
    assert!(error.unwrap_err().to_string().contains("runs/create"));
    let seen = seen.lock().unwrap();
    let n_created = seen
        .iter()
        .filter(|r| r.path.contains("runs/create"))
        .count();
    assert_eq!(n_created, 1);
}

#[test]
fn nobody_listening_is_tried_again_and_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = registry(&url, &settings()).versions("fish").unwrap_err();
    let error = error.to_string();
    assert!(error.contains("cannot reach"), "{error}");
    assert!(error.contains(&url), "{error}");
    assert!(error.contains("Is it running"), "{error}");
}

#[test]
fn a_server_that_speaks_no_tls_is_named_as_such() {
    let (server, _) = server(|_, _| Reply::new(200, "{}"));
    let url = server.url().replace("http://", "https://");
    let error = registry(&url, &settings()).versions("fish").unwrap_err();
    let error = error.to_string();
    assert!(error.contains("no secure connection"), "{error}");
    assert!(
        error.contains("MLFLOW_TRACKING_SERVER_CERT_PATH"),
        "{error}"
    );
}

fn check_header(
    credentials: Credentials,
    address: impl Fn(&str) -> String,
    expected: Option<&str>,
) {
    let (server, seen) = server(|_, _| Reply::new(200, "{}"));
    let settings = MlflowSettings {
        credentials,
        ..settings()
    };
    registry(&address(&server.url()), &settings)
        .versions("fish")
        .unwrap();
    let seen = seen.lock().unwrap();
    let headers = &seen[0].headers;
    let found = headers.get("authorization").map(String::as_str);
    assert_eq!(found, expected);
    assert!(!headers.contains_key("origin"));
}

#[test]
fn who_asks_is_told_by_header() {
    let plain = |url: &str| url.to_owned();
    let token = Credentials::Token(Secret::new("abc"));
    check_header(Credentials::None, plain, None);
    check_header(token.clone(), plain, Some("Bearer abc"));
    let basic = Credentials::Basic("anna".to_owned(), Secret::new("p"));
    check_header(basic, plain, Some("Basic YW5uYTpw"));
    let in_address = |url: &str| url.replace("http://", "http://anna:p@");
    check_header(token, in_address, Some("Basic YW5uYTpw"));
}

#[test]
fn a_path_in_front_of_mlflow_is_kept() {
    let (server, seen) = server(|_, _| Reply::new(200, "{}"));
    let url = format!("{}/team/mlflow", server.url());
    registry(&url, &settings()).versions("fish").unwrap();
    let path = &seen.lock().unwrap()[0].path;
    assert!(
        path.starts_with("/team/mlflow/api/2.0/mlflow/model-versions/search?"),
        "{path}"
    );
}

#[test]
fn files_at_addresses_out_of_reach_are_named_with_the_remedy() {
    let (server, _) = server(|_, request| {
        let answer = if request.path.contains("experiments/get-by-name") {
            r#"{"experiment": {"experiment_id": "1"}}"#
        } else if request.path.contains("runs/create") {
            r#"{"run": {"info": {"run_id": "a", "artifact_uri": "/srv/mlruns/1/a"}}}"#
        } else {
            "{}"
        };
        Reply::new(200, answer)
    });
    let folder = tempfile::tempdir().unwrap();
    let bundle = fishid_registry::conformance::tiny_bundle(&folder.path().join("b"), 1).unwrap();
    let error = registry(&server.url(), &settings())
        .publish("fish", bundle.dir(), &PublishNote::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("file addresses"), "{error}");
    assert!(error.contains("--artifacts-destination"), "{error}");
}

#[test]
fn no_folder_of_the_scheme_is_made_of_a_wrong_address() {
    for url in ["mlflow+ftp://host", "mlflow+http://", "mlflow+host:5000"] {
        let error = fishid_registry::open(url).err().unwrap().to_string();
        assert!(error.contains("mlflow+http://host:5000"), "{error}");
    }
}

/// Downloads a version from a server that lists `files` of it, into a folder below the given one.
fn fetch_files(files: &'static str, folder: &std::path::Path) -> Result<(), String> {
    let (server, _) = server(move |_, request| {
        let target = &request.path;
        if target.contains("model-versions/get") {
            let version = r#"{"version": "1", "source": "mlflow-artifacts:/1/a"}"#;
            return Reply::new(200, format!(r#"{{"model_version": {version}}}"#));
        }
        match target.contains("artifacts?path=1%2Fa%2F") {
            true => Reply::new(200, r#"{"files": [{"path": "w", "file_size": 5}]}"#),
            false if target.contains("artifacts?path=") => Reply::new(200, files),
            false => Reply::new(200, "12345"),
        }
    });
    registry(&server.url(), &settings())
        .fetch_files("fish", &VersionRef::Number(1), &folder.join("below"))
        .map_err(|error| error.to_string())
}

#[test]
fn the_files_of_a_foreign_version_come_whole_and_stay_in_their_folder() {
    let folder = tempfile::tempdir().unwrap();
    let good =
        r#"{"files": [{"path": "MLmodel", "file_size": 5}, {"path": "data", "is_dir": true}]}"#;
    fetch_files(good, folder.path()).unwrap();
    for file in ["MLmodel", "data/w"] {
        let content = std::fs::read(folder.path().join("below").join(file)).unwrap();
        assert_eq!(content, b"12345", "{file}");
    }
    for (files, words) in [
        ("{}", "lists no files"),
        (
            r#"{"files": [{"path": "a", "file_size": 6}]}"#,
            "5 of 6 bytes",
        ),
        (
            r#"{"files": [{"path": "a", "file_size": 9000000000}]}"#,
            "too many",
        ),
        (
            r#"{"files": [{"path": "..", "is_dir": true}]}"#,
            "without '..'",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let error = fetch_files(files, folder.path()).unwrap_err();
        assert!(error.contains(words), "{error:?} does not say {words:?}");
        let outside = std::fs::read_dir(folder.path()).unwrap();
        assert!(outside.flatten().all(|entry| entry.file_name() == "below"));
    }
}

#[test]
fn an_answer_without_an_end_is_not_kept_in_memory() {
    let long = format!(r#"{{"model_versions": "{}"}}"#, "a".repeat(17 << 20));
    check(&Reply::new(200, long), 1, &["more than 16 MiB"]);
    check(
        &Reply::new(404, "a".repeat(2 << 20)),
        1,
        &["no MLflow server"],
    );
    let again = Reply::new(200, r#"{"model_versions": [], "next_page_token": "a"}"#);
    check(&again, 2, &["its pages never end"]);
}

/// A version of one file, whose list and content are answered by `file`.
fn one_file(file: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (Server, Seen) {
    server(move |_, request| {
        if request.path.contains("model-versions/get") {
            let tags = format!(r#"[{{"key": "bundle_digest", "value": "{LIST_DIGEST}"}}]"#);
            let source = "mlflow-artifacts:/1/a/model";
            let version = format!(r#"{{"version": "1", "source": "{source}", "tags": {tags}}}"#);
            return Reply::new(200, format!(r#"{{"model_version": {version}}}"#));
        }
        file(request)
    })
}

/// The list of one file `w`, and its digest.
const LIST: &str = "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5  w\n";
const LIST_DIGEST: &str = "5b6e9cb9cc1eb5a0134239927d5d70aea0e4fd01e848e59d2647680267d35bba";

#[test]
fn a_list_of_files_without_an_end_is_refused() {
    let (server, _) = one_file(|_| Reply::new(200, "a".repeat(5 << 20)));
    let cache = tempfile::tempdir().unwrap();
    let fetched =
        registry(&server.url(), &settings()).fetch("fish", &VersionRef::Number(1), cache.path());
    let error = fetched.unwrap_err().to_string();
    assert!(error.contains("longer than the 4194304 bytes"), "{error}");
}

#[test]
fn a_download_that_is_cut_again_and_again_keeps_what_came() {
    let (server, _) = one_file(|request| {
        if request.path.ends_with("model.sha256") {
            return Reply::new(200, LIST);
        }
        let status = if request.headers.contains_key("range") {
            206
        } else {
            200
        };
        let mut reply = Reply::new(status, "12345");
        reply.ending = Ending::Cut(1);
        reply
    });
    let cache = tempfile::tempdir().unwrap();
    let fetched =
        registry(&server.url(), &settings()).fetch("fish", &VersionRef::Number(1), cache.path());
    let error = fetched.unwrap_err().to_string();
    assert!(error.contains("was cut"), "{error}");
    let part = cache.path().join(format!(".{LIST_DIGEST}.partial/w"));
    assert_eq!(std::fs::metadata(part).unwrap().len(), 100);
}
