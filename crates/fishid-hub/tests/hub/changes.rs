//! A hub that says something else than it said at the first download.

use fishid_hub::{HubFile, Sha256Hex};
use fishid_testing::hub::sha256;

use crate::{COMMIT, Case, FILE, OTHER_COMMIT, REPOSITORY, assert_says, content, pinned};

/// The hub has other bytes from now on, and says so.
fn change(case: &Case) -> String {
    let mut script = case.server.script();
    script.content.reverse();
    let digest = sha256(&script.content);
    script.digest = Some(digest.clone());
    digest
}

#[test]
fn another_digest_for_the_same_revision_is_refused_and_nothing_overwritten() {
    for file in [pinned(), HubFile::new(REPOSITORY, "main", FILE)] {
        let case = Case::new();
        let fetched = case.fetch(&file).unwrap();
        let now = change(&case);

        let error = case.hub().check(&file, None).unwrap_err().to_string();
        assert_says(&error, &[FILE, &sha256(&content()), &now, ".json"]);
        assert_eq!(case.fetch(&file).unwrap(), fetched);

        std::fs::remove_file(&fetched.path).unwrap();
        assert_says(&case.refusal(&file), &[FILE, &sha256(&content()), &now]);
        assert_eq!(case.downloads().len(), 1);
    }
}

#[test]
fn another_commit_than_the_pinned_one_is_refused() {
    let case = Case::new();
    case.server.script().commit = Some(OTHER_COMMIT.to_owned());
    assert_says(&case.refusal(&pinned()), &[FILE, COMMIT, OTHER_COMMIT]);
    assert!(case.downloads().is_empty());
}

#[test]
fn a_branch_may_move_while_the_file_stays_the_same() {
    let case = Case::new();
    let main = HubFile::new(REPOSITORY, "main", FILE);
    let fetched = case.fetch(&main).unwrap();
    assert_eq!(fetched.commit.as_deref(), Some(COMMIT));
    case.server.script().commit = Some(OTHER_COMMIT.to_owned());
    let declared = case.hub().check(&main, None).unwrap();
    assert_eq!(declared.commit.as_deref(), Some(OTHER_COMMIT));
    std::fs::remove_file(&fetched.path).unwrap();
    assert_eq!(case.fetch(&main).unwrap(), fetched);
}

#[test]
fn a_cached_file_with_another_digest_than_the_stated_one_is_not_used() {
    let case = Case::new();
    case.fetch(&pinned()).unwrap();
    let stated = sha256(b"another file");
    let file = pinned().with_sha256(Sha256Hex::parse(&stated).unwrap());
    assert_says(&case.refusal(&file), &[FILE, &sha256(&content()), &stated]);
}

#[test]
fn a_check_downloads_nothing() {
    let case = Case::new();
    let declared = case.hub().check(&pinned(), None).unwrap();
    assert_eq!(declared.sha256.unwrap().as_str(), sha256(&content()));
    assert_eq!(declared.size, Some(content().len() as u64));
    assert!(case.downloads().is_empty());
    assert!(!case.folder().exists());
}
