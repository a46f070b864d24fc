//! What is refused, what is tried again, and in which words.

use std::time::Duration;

use fishid_hub::{HubFile, Sha256Hex};
use fishid_testing::hub::{Fault, sha256};

use crate::{COMMIT, Case, FILE, LENGTH, REPOSITORY, assert_says, content, pinned};

fn status(status: u16) -> Fault {
    Fault::Status(status, Vec::new())
}

fn wait(status: u16, seconds: &str) -> Fault {
    Fault::Status(status, vec![("retry-after", seconds.to_owned())])
}

#[test]
fn wrong_bytes_are_deleted_and_both_digests_named() {
    let case = Case::new();
    case.body_faults([Fault::WrongBytes]);
    let wrong: Vec<u8> = content().iter().map(|byte| byte ^ 1).collect();
    let error = case.refusal(&pinned());
    assert_says(
        &error,
        &[FILE, REPOSITORY, &sha256(&content()), &sha256(&wrong)],
    );
    assert!(case.names().is_empty(), "{:?}", case.names());
    case.fetch(&pinned()).unwrap();
}

#[test]
fn a_hub_that_declares_another_digest_than_the_stated_one_sends_nothing() {
    let case = Case::new();
    let stated = sha256(b"another file");
    let file = pinned().with_sha256(Sha256Hex::parse(&stated).unwrap());
    let error = case.refusal(&file);
    assert_says(&error, &[FILE, &stated, &sha256(&content())]);
    assert!(case.downloads().is_empty());
}

#[test]
fn a_stated_digest_is_enough_for_a_server_that_declares_nothing() {
    let case = Case::new();
    {
        let mut script = case.server.script();
        (script.digest, script.commit, script.size) = (None, None, None);
    }
    let error = case.refusal(&pinned());
    assert_says(&error, &["no SHA-256", FILE, "X-Linked-Etag"]);
    assert!(case.downloads().is_empty());

    let stated = Sha256Hex::parse(&sha256(&content())).unwrap();
    let fetched = case.fetch(&pinned().with_sha256(stated)).unwrap();
    assert_eq!(fetched.commit.as_deref(), Some(COMMIT));
}

#[test]
fn a_git_object_id_is_not_taken_for_a_digest() {
    let case = Case::new();
    case.server.script().digest = Some("ab".repeat(20));
    assert_says(&case.refusal(&pinned()), &["no SHA-256"]);
}

#[test]
fn a_file_that_is_not_there_is_named_whole() {
    let case = Case::new();
    let error = case.refusal(&HubFile::new(REPOSITORY, "main", "other.bin"));
    assert_says(&error, &["other.bin", REPOSITORY, "main", "EntryNotFound"]);
    assert_eq!(case.server.seen().len(), 1);
}

#[test]
fn a_refused_download_says_what_to_do_with_and_without_a_token() {
    for code in [401, 403] {
        let mut case = Case::new();
        case.hub_faults([status(code), status(code)]);
        assert_says(
            &case.refusal(&pinned()),
            &[FILE, &code.to_string(), "licence"],
        );
        case.settings.token = None;
        assert_says(&case.refusal(&pinned()), &[FILE, "set a token", "HF_TOKEN"]);
    }
}

#[test]
fn a_short_wait_that_the_hub_asks_for_is_kept() {
    let case = Case::new();
    case.hub_faults([wait(429, "1"), wait(503, "0")]);
    let begun = std::time::Instant::now();
    case.fetch(&pinned()).unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_long_wait_that_the_hub_asks_for_is_told() {
    let case = Case::new();
    case.hub_faults([wait(429, "3600")]);
    assert_says(&case.refusal(&pinned()), &[FILE, "3600 s"]);
    assert_eq!(case.server.seen().len(), 1);
}

#[test]
fn a_hub_in_trouble_is_asked_again_but_not_for_ever() {
    let case = Case::new();
    case.hub_faults([status(500), status(502)]);
    case.body_faults([status(500)]);
    case.fetch(&pinned()).unwrap();

    let case = Case::new();
    case.hub_faults([(); 9].map(|()| status(500)));
    assert_says(&case.refusal(&pinned()), &[FILE, "5 attempts", "500"]);
    assert_eq!(case.server.seen().len(), 5);
}

#[test]
fn a_storage_signature_that_ran_out_is_asked_for_anew() {
    let case = Case::new();
    case.body_faults([status(403)]);
    case.fetch(&pinned()).unwrap();
    assert_eq!(case.downloads().len(), 2);
    // Declaration, then one question per try.
    assert_eq!(case.server.seen().len() - 2, 3);
}

#[test]
fn a_file_of_another_length_than_declared_is_not_kept() {
    for (served, declared) in [(1000, LENGTH), (LENGTH, LENGTH - 1), (LENGTH, LENGTH + 1)] {
        let case = Case::new();
        case.server.script().size = Some(declared);
        case.body_faults([Fault::Short(served)]);
        let error = case.refusal(&pinned());
        assert_says(&error, &[FILE, &declared.to_string(), &served.to_string()]);
        assert!(case.hub().cached(&pinned()).unwrap().is_none());
    }
}

#[test]
fn a_truncated_file_of_undeclared_length_fails_by_its_digest() {
    let case = Case::new();
    case.server.script().size = None;
    case.body_faults([Fault::Short(1000)]);
    assert_says(
        &case.refusal(&pinned()),
        &[FILE, &sha256(&content()[..1000])],
    );
}

#[test]
fn a_hub_that_is_not_there_is_named_with_the_ways_out() {
    let mut case = Case::new();
    // A port of this machine that nobody listens on: the server behind it has gone.
    case.settings.base_url = Case::new().server.url();
    let host = case.settings.base_url.replace("http://", "");
    let error = case.fetch(&pinned()).unwrap_err();
    assert!(error.is_offline());
    assert_says(&error.to_string(), &[&host, "network", "mirror", FILE]);
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let mut case = Case::new();
    let blocked = case.cache.path().join("a-file");
    std::fs::write(&blocked, "").unwrap();
    case.settings.cache_dir.clone_from(&blocked);
    assert_says(
        &case.refusal(&pinned()),
        &[&*blocked.to_string_lossy(), "writable"],
    );
}

#[test]
fn an_address_that_is_none_is_refused_at_once() {
    for url in [
        "huggingface.co",
        "ftp://huggingface.co",
        "https://me:x@huggingface.co",
    ] {
        let mut case = Case::new();
        url.clone_into(&mut case.settings.base_url);
        let error = fishid_hub::Hub::new(case.settings.clone()).unwrap_err();
        assert_says(&error.to_string(), &["https://huggingface.co"]);
    }
}
