//! How the bytes come: redirects, resuming, time limits.

use std::time::Duration;

use fishid_hub::{HubError, Progress};
use fishid_testing::hub::{Fault, Place, sha256};

use crate::{COMMIT, Case, FILE, LENGTH, REPOSITORY, content, pinned};

#[test]
fn a_file_comes_over_every_kind_of_redirect_and_is_recorded() {
    for place in [Place::Storage, Place::Renamed, Place::Hub] {
        let case = Case::new();
        case.server.script().place = place;
        let (fetched, progress) = case.fetch_watched(&pinned());
        let fetched = fetched.unwrap();
        assert_eq!(std::fs::read(&fetched.path).unwrap(), content());
        assert_eq!(fetched.sha256.as_str(), sha256(&content()));
        assert_eq!(fetched.commit.as_deref(), Some(COMMIT));
        assert_eq!(fetched.size, LENGTH as u64);
        let last = progress.last().unwrap();
        assert_eq!(
            (last.bytes, last.total),
            (LENGTH as u64, Some(LENGTH as u64))
        );

        assert_eq!(case.names(), [FILE, "model.safetensors.json"]);
        let record = std::fs::read(case.folder().join("model.safetensors.json")).unwrap();
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
        assert_eq!(record["repository"], REPOSITORY);
        assert_eq!(record["revision"], COMMIT);
        assert_eq!(record["commit"], COMMIT);
        assert_eq!(record["sha256"], sha256(&content()));
        assert_eq!(record["size"], LENGTH);
        let url = format!("{}/{REPOSITORY}/resolve/{COMMIT}/{FILE}", case.server.url());
        assert_eq!(record["url"], url);
    }
}

#[test]
fn a_mirror_may_lie_under_a_path() {
    let mut case = Case::new();
    case.settings.base_url += "/renamed";
    case.fetch(&pinned()).unwrap();
}

#[test]
fn the_token_goes_to_the_hub_and_to_no_other_host() {
    let case = Case::new();
    case.server.script().place = Place::Renamed;
    case.fetch(&pinned()).unwrap();
    let seen = case.server.seen();
    assert!(seen.iter().any(|seen| seen.at_hub) && seen.iter().any(|seen| !seen.at_hub));
    for seen in seen {
        let token = seen.request.headers.get("authorization");
        let expected = seen.at_hub.then_some("Bearer hf_secret");
        assert_eq!(token.map(String::as_str), expected, "{seen:?}");
    }
}

#[test]
fn a_download_cut_several_times_goes_on_where_it_was_cut() {
    let case = Case::new();
    case.body_faults([Fault::Cut(100_000), Fault::Cut(50_000), Fault::Cut(0)]);
    let fetched = case.fetch(&pinned()).unwrap();
    assert_eq!(std::fs::read(fetched.path).unwrap(), content());
    let ranges = case.ranges();
    let starts = [None, Some("100000"), Some("150000"), Some("150000")];
    let expected = starts.map(|start| start.map(|start| format!("bytes={start}-")));
    assert_eq!(ranges, expected);
    let tags = case.downloads();
    assert!(tags[1].request.headers.contains_key("if-range"));
}

#[test]
fn the_next_call_goes_on_where_the_last_one_gave_up() {
    let mut case = Case::new();
    case.settings.timing.attempts = 2;
    case.body_faults([Fault::Cut(100_000), Fault::Cut(10)]);
    let error = case.refusal(&pinned());
    crate::assert_says(
        &error,
        &[FILE, "2 attempts", "100010 bytes are kept", "cut"],
    );
    assert!(case.hub().cached(&pinned()).unwrap().is_none());
    let fetched = case.fetch(&pinned()).unwrap();
    assert_eq!(std::fs::read(fetched.path).unwrap(), content());
    assert_eq!(case.ranges()[2].as_deref(), Some("bytes=100010-"));
    assert_eq!(case.names(), [FILE, "model.safetensors.json"]);
}

#[test]
fn a_server_that_ignores_ranges_is_read_from_the_front() {
    let case = Case::new();
    case.server.script().ranges = false;
    case.body_faults([Fault::Cut(100_000)]);
    let (fetched, progress) = case.fetch_watched(&pinned());
    assert_eq!(std::fs::read(fetched.unwrap().path).unwrap(), content());
    assert!(progress.iter().any(|progress| progress.bytes == 100_000));
    assert_eq!(case.downloads().len(), 2);
}

#[test]
fn a_file_that_changes_between_two_pieces_is_read_from_the_front() {
    let case = Case::new();
    case.body_faults([Fault::Cut(100_000), Fault::WrongBytes]);
    let fetched = case.fetch(&pinned()).unwrap();
    assert_eq!(std::fs::read(fetched.path).unwrap(), content());
    assert_eq!(case.ranges()[2], None);
}

#[test]
fn a_connection_that_falls_silent_is_asked_again() {
    let mut case = Case::new();
    case.settings.timing.read_timeout = Duration::from_secs(1);
    case.body_faults([Fault::Stall(100_000)]);
    let fetched = case.fetch(&pinned()).unwrap();
    assert_eq!(std::fs::read(fetched.path).unwrap(), content());
    assert_eq!(case.ranges()[1].as_deref(), Some("bytes=100000-"));
}

#[test]
fn a_time_limit_ends_a_slow_download_and_keeps_what_came() {
    let case = Case::new();
    case.body_faults([Fault::Stall(100_000)]);
    let limit = Some(Duration::from_secs(1));
    let mut bytes = 0;
    let mut watch = |progress: Progress| bytes = progress.bytes;
    let error = case.hub().fetch(&pinned(), limit, &mut watch).unwrap_err();
    assert!(matches!(error, HubError::OutOfTime { .. }), "{error}");
    assert!(error.is_offline());
    assert!(bytes > 0);
    case.fetch(&pinned()).unwrap();
    assert_eq!(case.ranges()[1], Some(format!("bytes={bytes}-")));
}

#[test]
fn two_fetches_at_once_download_once() {
    let case = Case::new();
    let fetched = std::thread::scope(|scope| {
        let fetches = [(); 4].map(|()| scope.spawn(|| case.fetch(&pinned()).unwrap()));
        fetches.map(|fetch| fetch.join().unwrap())
    });
    assert!(fetched.iter().all(|one| *one == fetched[0]));
    assert_eq!(case.downloads().len(), 1);
}
