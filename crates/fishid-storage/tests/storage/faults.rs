//! Faults between client and server: the result is right or the error is clear, and nothing half is visible.

use std::path::Path;
use std::time::Duration;

use fishid_storage::{S3Fault, StorageError};
use fishid_testing::s3::Fault;

use crate::support::{Setting, content, first, is_get, is_part, write};

const PART: usize = 8 << 20;

fn fault_of(error: &StorageError) -> Option<S3Fault> {
    match error {
        StorageError::S3 { problem, .. } => Some(problem.fault),
        _ => None,
    }
}

#[test]
fn a_server_that_answers_500_at_first_is_asked_again() {
    for code in [500, 503] {
        let fault = Fault::Refuse(code, "InternalError");
        let Some(setting) = Setting::start(first(3, fault.clone(), |_| true)) else {
            return;
        };
        let storage = setting.through();
        let stored = storage
            .put_file("fish.bin", &setting.file(PART + 1))
            .unwrap();
        assert_eq!(
            setting.direct().stat("fish.bin").unwrap().unwrap().sha256,
            Some(stored.sha256)
        );
    }
    let refuse = Fault::Refuse(500, "InternalError");
    let Some(setting) = Setting::start(first(2, refuse, |seen| seen.method == "GET")) else {
        return;
    };
    setting.direct().put("a.txt", "perch").unwrap();
    assert_eq!(setting.through().list().unwrap().files.len(), 1);
    assert_eq!(setting.through().read("a.txt").unwrap(), "perch");
}

#[test]
fn slow_bodies_arrive_whole() {
    let slow = Fault::Slow(64 << 10, Duration::from_millis(2));
    let Some(setting) = Setting::start(first(9, slow, is_get)) else {
        return;
    };
    let source = setting.file(3 << 20);
    let stored = setting.direct().put_file("fish.bin", &source).unwrap();
    let target = setting.path("target");
    assert_eq!(
        setting
            .through()
            .get_file("fish.bin", &target, None)
            .unwrap(),
        stored
    );
    assert!(setting.through().read("fish.bin").unwrap() == std::fs::read(&source).unwrap());
}

#[test]
fn a_download_that_is_cut_goes_on_where_it_was() {
    let Some(setting) = Setting::start(first(3, Fault::CutAnswer(3 << 20), is_get)) else {
        return;
    };
    let source = setting.file(12 << 20);
    let stored = setting.direct().put_file("fish.bin", &source).unwrap();
    let fetched = setting
        .through()
        .get_file("fish.bin", &setting.path("target"), None);
    assert_eq!(fetched.unwrap(), stored);
    assert!(std::fs::read(setting.path("target")).unwrap() == std::fs::read(&source).unwrap());
    let seen = setting.proxy.seen();
    let ranges: Vec<_> = seen
        .iter()
        .filter(|seen| is_get(seen))
        .map(|seen| seen.header("range"))
        .collect();
    assert_eq!(ranges.len(), 4);
    assert_eq!(ranges[0], None);
    assert!(
        ranges[1..]
            .iter()
            .all(|range| range.is_some_and(|range| !range.starts_with("bytes=0-"))),
        "{ranges:?}"
    );
    assert_eq!(setting.names_in_folder(), ["source", "target"]);
}

#[test]
fn a_download_that_failed_is_gone_on_with_by_the_next_call() {
    let Some(setting) = Setting::start(|seen| {
        // After the first piece, the server is gone.
        if is_get(seen) && seen.header("range").is_some() {
            Fault::Refuse(403, "ExpiredToken")
        } else if is_get(seen) {
            Fault::CutAnswer(5 << 20)
        } else {
            Fault::None
        }
    }) else {
        return;
    };
    let source = setting.file(12 << 20);
    let stored = setting.direct().put_file("fish.bin", &source).unwrap();
    let target = setting.path("target");
    let error = setting
        .through()
        .get_file("fish.bin", &target, None)
        .unwrap_err();
    assert_eq!(fault_of(&error), Some(S3Fault::Expired), "{error}");
    assert!(!target.exists(), "nothing half is visible");
    let names = setting.names_in_folder();
    let part = names
        .iter()
        .find(|name| Path::new(name).extension().is_some_and(|end| end == "part"))
        .unwrap();
    let kept = std::fs::metadata(setting.path(part)).unwrap().len();
    assert!(kept >= 4 << 20, "{kept}");

    let proxy = fishid_testing::s3::Proxy::start(setting.server.address(), |_| Fault::None);
    let storage = crate::support::open(
        "s3://fish/rivers",
        &fishid_testing::s3::settings(&proxy.url()),
    );
    // The part belongs to the place, not to the way there.
    assert_eq!(storage.get_file("fish.bin", &target, None).unwrap(), stored);
    let range = format!("bytes={kept}-");
    assert!(
        proxy
            .seen()
            .iter()
            .any(|seen| seen.header("range") == Some(range.as_str()))
    );
    assert_eq!(setting.names_in_folder(), ["source", "target"]);
}

#[test]
fn an_upload_that_is_cut_sends_the_part_again() {
    let Some(setting) = Setting::start(first(3, Fault::CutRequest(1 << 20), |seen| {
        seen.method == "PUT"
    })) else {
        return;
    };
    let source = setting.file(3 * PART + 5);
    let stored = setting.through().put_file("fish.bin", &source).unwrap();
    let target = setting.path("target");
    assert_eq!(
        setting
            .direct()
            .get_file("fish.bin", &target, None)
            .unwrap(),
        stored
    );
    assert!(std::fs::read(&target).unwrap() == std::fs::read(&source).unwrap());
    assert_eq!(setting.server.unfinished_uploads("fish"), 0);
    setting
        .through()
        .put("small.txt", content(100_000, 1))
        .unwrap();
}

#[test]
fn an_answer_that_is_lost_changes_nothing() {
    let lose =
        |seen: &fishid_testing::s3::Seen| seen.method == "PUT" || seen.target.contains("uploadId");
    let Some(setting) = Setting::start(first(1, Fault::LoseAnswer, lose)) else {
        return;
    };
    setting.through().put("small.txt", "perch").unwrap();
    assert_eq!(setting.direct().read("small.txt").unwrap(), "perch");

    let completes =
        |seen: &fishid_testing::s3::Seen| seen.method == "POST" && seen.target.contains("uploadId");
    let Some(setting) = Setting::start(first(1, Fault::LoseAnswer, completes)) else {
        return;
    };
    let stored = setting
        .through()
        .put_file("large.bin", &setting.file(PART + 1))
        .unwrap();
    let there = setting.direct().stat("large.bin").unwrap().unwrap();
    assert_eq!(
        (there.size, there.sha256),
        (stored.size, Some(stored.sha256))
    );
}

#[test]
fn an_upload_that_fails_leaves_the_old_object_and_no_parts() {
    let expired = Fault::Refuse(400, "ExpiredToken");
    let Some(setting) = Setting::start(move |seen| {
        if is_part(seen) && seen.target.contains("partNumber=3") {
            expired.clone()
        } else {
            Fault::None
        }
    }) else {
        return;
    };
    setting.direct().put("fish.bin", "old").unwrap();
    let error = setting
        .through()
        .put_file("fish.bin", &setting.file(4 * PART))
        .unwrap_err();
    assert_eq!(fault_of(&error), Some(S3Fault::Expired), "{error}");
    assert_eq!(setting.direct().read("fish.bin").unwrap(), "old");
    assert_eq!(setting.server.unfinished_uploads("fish"), 0);
}

#[test]
fn damage_on_the_way_up_is_refused_by_the_server_and_sent_again() {
    let Some(setting) = Setting::start(first(1, Fault::DamageRequest, |seen| seen.method == "PUT"))
    else {
        return;
    };
    let stored = setting
        .through()
        .put_file("fish.bin", &setting.file(PART + 7))
        .unwrap();
    let target = setting.path("target");
    assert_eq!(
        setting
            .direct()
            .get_file("fish.bin", &target, None)
            .unwrap(),
        stored
    );
    assert_eq!(setting.server.unfinished_uploads("fish"), 0);

    let Some(setting) = Setting::start(first(9, Fault::DamageRequest, |seen| seen.method == "PUT"))
    else {
        return;
    };
    let error = setting.through().put("fish.txt", "perch").unwrap_err();
    assert_eq!(fault_of(&error), Some(S3Fault::Damaged), "{error}");
    assert_eq!(setting.direct().stat("fish.txt").unwrap(), None);
}

#[test]
fn damage_on_the_way_down_is_found_and_never_put_in_place() {
    let Some(setting) = Setting::start(first(2, Fault::DamageAnswer, is_get)) else {
        return;
    };
    setting
        .direct()
        .put_file("fish.bin", &setting.file(100_000))
        .unwrap();
    let target = setting.path("target");
    let error = setting
        .through()
        .get_file("fish.bin", &target, None)
        .unwrap_err();
    assert!(matches!(error, StorageError::Corrupted { .. }), "{error}");
    assert_eq!(setting.names_in_folder(), ["source"]);
    // The second fault is met by a read, which asks again.
    assert!(
        setting.through().read("fish.bin").unwrap()
            == std::fs::read(setting.path("source")).unwrap()
    );
    setting
        .through()
        .get_file("fish.bin", &target, None)
        .unwrap();
}

#[test]
fn a_server_that_comes_back_is_waited_for() {
    let Some(mut setting) = Setting::start(|_| Fault::None) else {
        return;
    };
    setting.direct().put("a.txt", "perch").unwrap();
    let storage = setting.direct();
    setting.server.stop();
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| storage.read("a.txt").unwrap());
        setting.server.start_again();
        assert_eq!(reading.join().unwrap(), "perch");
    });
}

#[test]
fn an_object_that_is_replaced_meanwhile_is_not_mixed_with_the_new_one() {
    let Some(setting) = Setting::start(|_| Fault::None) else {
        return;
    };
    let storage = setting.direct();
    let (old, new) = (content(6 << 20, 1), content(6 << 20, 2));
    storage
        .put_file("fish.bin", &write(&setting.path("source"), &old))
        .unwrap();
    let server = setting.server.settings();
    let source = setting.path("other");
    write(&source, &new);
    let replaced = std::sync::Once::new();
    let proxy = fishid_testing::s3::Proxy::start(setting.server.address(), move |seen| {
        if is_get(seen) && seen.header("range").is_some() {
            replaced.call_once(|| {
                crate::support::open("s3://fish/rivers", &server)
                    .put_file("fish.bin", &source)
                    .unwrap();
            });
            Fault::None
        } else if is_get(seen) {
            Fault::CutAnswer(2 << 20)
        } else {
            Fault::None
        }
    });
    let through = crate::support::open(
        "s3://fish/rivers",
        &fishid_testing::s3::settings(&proxy.url()),
    );
    let target = setting.path("target");
    let error = through.get_file("fish.bin", &target, None).unwrap_err();
    assert!(error.to_string().contains("fish.bin"), "{error}");
    assert!(!target.exists());
    storage.get_file("fish.bin", &target, None).unwrap();
    assert!(std::fs::read(&target).unwrap() == new);
}
