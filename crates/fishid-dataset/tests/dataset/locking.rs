//! Locks and what differs between two of them.

use std::fs;
use std::path::Path;

use fishid_dataset::{DataChanges, DataLock, Inspection, LOCK_SCHEMA_VERSION, inspect};
use fishid_image::Limits;

use crate::support::{open, png, put, small_data_set};

fn lock(folder: &Path) -> DataLock {
    DataLock::of(&open(folder), "group", &|_, _| {}).unwrap()
}

/// What `edit` changes in the small data set.
fn changes(edit: impl FnOnce(&Path)) -> DataChanges {
    let folder = tempfile::tempdir().unwrap();
    small_data_set(folder.path());
    let before = lock(folder.path());
    edit(folder.path());
    let after = lock(folder.path());
    let changes = before.changes_to(&after);
    assert_eq!(changes.is_empty(), before.digest() == after.digest());
    changes
}

/// One line for each difference, without the columns.
fn check(edit: impl FnOnce(&Path), expected: &[&str]) {
    let lines: Vec<String> = changes(edit)
        .lines(9)
        .iter()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(lines, expected);
}

#[test]
fn a_lock_is_the_same_wherever_the_photographs_lie_and_survives_its_file() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&one, &two] {
        small_data_set(folder.path());
    }
    let (first, second) = (lock(one.path()), lock(two.path()));
    assert_eq!(first.to_text(), second.to_text());
    assert!(!first.to_text().contains(one.path().to_str().unwrap()));

    let file = one.path().join("data.lock.json");
    first.write(&file).unwrap();
    assert_eq!(DataLock::read(&file).unwrap(), first);
    assert_eq!(lock(one.path()), first, "a lock among the data is not data");
    first.write(&file).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), first.to_text());
}

#[test]
fn the_lock_has_the_digest_that_training_records() {
    let folder = tempfile::tempdir().unwrap();
    small_data_set(folder.path());
    put(folder.path(), "esox_lucius/broken.png", "no photograph");
    let dataset = open(folder.path());
    let inspections = inspect(&dataset, &Limits::default(), &|_, _| {});
    let digests: Vec<String> = inspections
        .iter()
        .map(|seen: &Inspection| seen.sha256.clone().unwrap())
        .collect();
    let read = lock(folder.path());
    assert_eq!(read.digest(), dataset.digest(&digests));
    assert_eq!(
        read,
        DataLock::of_inspections(&dataset, "group", &inspections)
    );
}

#[test]
fn the_digest_is_the_one_that_the_documentation_defines() {
    // By hand: SHA-256 over (length as 64 bits little-endian, text) of path, sha256, class, group, split.
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "test/esox_lucius/1.jpg", "abc");
    put(
        folder.path(),
        "manifest.csv",
        "path,class,group\ntest/esox_lucius/1.jpg,esox_lucius,pike 7\n",
    );
    let lock = lock(folder.path());
    assert_eq!(
        lock.photographs()[0].content.sha256,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(lock.digest(), DIGEST_BY_PYTHON);
}

/// Made by the Python of `docs/DATA_VERSIONS.md`.
const DIGEST_BY_PYTHON: &str = "41eec82288246f2a2cdc4c46f9c964237d8192d041657d18d32c8e91cf820fff";

#[test]
fn each_kind_of_difference_is_told_apart() {
    check(|_| {}, &[]);
    check(
        |data| {
            put(data, "esox_lucius/9.png", png(50));
            fs::remove_file(data.join("perca_fluviatilis/0.png")).unwrap();
            put(data, "esox_lucius/1.png", png(51));
        },
        &[
            "added esox_lucius/9.png",
            "removed perca_fluviatilis/0.png",
            "changed esox_lucius/1.png",
        ],
    );
    check(
        |data| {
            fs::rename(
                data.join("esox_lucius/0.png"),
                data.join("esox_lucius/z.png"),
            )
            .unwrap();
            fs::rename(
                data.join("esox_lucius/1.png"),
                data.join("perca_fluviatilis/pike.png"),
            )
            .unwrap();
        },
        &[
            "moved esox_lucius/0.png → esox_lucius/z.png",
            "moved esox_lucius/1.png → perca_fluviatilis/pike.png",
            "class perca_fluviatilis/pike.png: esox_lucius → perca_fluviatilis",
        ],
    );
    check(
        |data| {
            put(
                data,
                "manifest.csv",
                "path,class,group\nesox_lucius/0.png,esox_lucius,pike 1\n",
            );
        },
        &["group esox_lucius/0.png: none → pike 1"],
    );
}

#[test]
fn of_two_copies_the_one_in_the_same_class_is_the_one_that_moved() {
    check(
        |data| {
            // The same picture twice, in two classes; both files get new names in the other order.
            fs::rename(
                data.join("esox_lucius/0.png"),
                data.join("esox_lucius/b.png"),
            )
            .unwrap();
            fs::copy(
                data.join("esox_lucius/b.png"),
                data.join("aspius_aspius.tmp"),
            )
            .unwrap();
            fs::create_dir(data.join("aspius_aspius")).unwrap();
            fs::rename(
                data.join("aspius_aspius.tmp"),
                data.join("aspius_aspius/a.png"),
            )
            .unwrap();
        },
        &[
            "added aspius_aspius/a.png",
            "moved esox_lucius/0.png → esox_lucius/b.png",
        ],
    );
}

#[test]
fn the_counts_of_each_class_stand_side_by_side() {
    let changes = changes(|data| {
        put(data, "rutilus_rutilus/1.png", png(70));
        fs::remove_file(data.join("esox_lucius/0.png")).unwrap();
    });
    let counts: Vec<(&str, usize, usize)> = changes
        .classes
        .iter()
        .map(|(class, count)| (class.as_str(), count.before, count.after))
        .collect();
    assert_eq!(
        counts,
        [
            ("esox_lucius", 6, 5),
            ("perca_fluviatilis", 6, 6),
            ("rutilus_rutilus", 0, 1)
        ]
    );
}

#[test]
fn long_lists_are_cut_and_say_how_much_is_missing() {
    let lines = changes(|data| {
        for n in 0..6 {
            fs::remove_file(data.join(format!("esox_lucius/{n}.png"))).unwrap();
        }
    })
    .lines(2);
    assert_eq!(
        lines,
        [
            "removed  esox_lucius/0.png",
            "removed  esox_lucius/1.png",
            "removed  and 4 more"
        ]
    );
}

#[test]
fn a_file_that_is_not_a_whole_lock_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    small_data_set(folder.path());
    let text = lock(folder.path()).to_text();
    let file = folder.path().join("data.lock.json");
    let refused = |text: String, words: &[&str]| {
        fs::write(&file, text).unwrap();
        let error = DataLock::read(&file).unwrap_err().to_string();
        for word in words.iter().chain(&["data.lock.json"]) {
            assert!(error.contains(word), "`{word}` is missing in: {error}");
        }
    };
    refused("{".to_owned(), &["not a lock", "fishid data lock"]);
    refused("{\"a\": 1}".to_owned(), &["not a lock"]);
    refused(
        text.replace("esox_lucius/0.png", "esox_lucius/7.png"),
        &["damaged", "lock the data again"],
    );
    refused(
        text.replace("\"n_photographs\": 12", "\"n_photographs\": 13"),
        &["damaged"],
    );
    let later = format!("\"schema_version\": {}", LOCK_SCHEMA_VERSION + 1);
    refused(
        text.replace("\"schema_version\": 1", &later),
        &["format 2", "version of fishid"],
    );
}

#[test]
fn a_lock_replaces_no_other_file_and_vouches_for_no_file_it_could_not_read() {
    let folder = tempfile::tempdir().unwrap();
    small_data_set(folder.path());
    let thesis = folder.path().join("thesis.txt");
    fs::write(&thesis, "mine").unwrap();
    let error = lock(folder.path()).write(&thesis).unwrap_err().to_string();
    assert!(error.contains("thesis.txt"), "{error}");
    assert_eq!(fs::read_to_string(&thesis).unwrap(), "mine");
    for (path, word) in [
        ("esox_lucius", "it is a folder"),
        ("none/data.lock.json", "does not exist"),
    ] {
        let error = DataLock::refuse_taken(&folder.path().join(path)).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }

    let dataset = open(folder.path());
    fs::remove_file(folder.path().join("esox_lucius/3.png")).unwrap();
    let error = DataLock::of(&dataset, "group", &|_, _| {}).unwrap_err();
    assert!(error.to_string().contains("esox_lucius/3.png"), "{error}");
}

/// The error of locking a small data set while `meddle` writes there, in the middle of reading.
fn locked_while(meddle: impl Fn(&Path) + Sync) -> String {
    let folder = tempfile::tempdir().unwrap();
    small_data_set(folder.path());
    let dataset = open(folder.path());
    let progress = |done: usize, _| {
        if done == 6 {
            meddle(folder.path());
        }
    };
    DataLock::of(&dataset, "group", &progress)
        .unwrap_err()
        .to_string()
}

#[test]
fn data_that_change_while_they_are_read_are_not_locked() {
    for (error, path) in [
        (
            locked_while(|data| put(data, "esox_lucius/9.png", png(50))),
            "esox_lucius/9.png",
        ),
        (
            locked_while(|data| put(data, "esox_lucius/0.png", png(51))),
            "",
        ),
        (
            locked_while(|data| {
                let manifest = "path,class,group\nesox_lucius/0.png,esox_lucius,pike 1\n";
                put(data, "manifest.csv", manifest);
            }),
            "",
        ),
        (
            // Whether it is read before or after it is gone.
            locked_while(|data| {
                fs::remove_dir_all(data.join("perca_fluviatilis")).unwrap();
            }),
            "perca_fluviatilis/0.png",
        ),
    ] {
        assert!(error.contains("changed while"), "{error}");
        assert!(error.contains("lock it again"), "{error}");
        assert!(error.contains(path), "{error}");
    }
}

#[test]
fn what_is_written_beside_the_photographs_meanwhile_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    small_data_set(folder.path());
    let before = lock(folder.path());
    let dataset = open(folder.path());
    let progress = |_, _| put(folder.path(), "esox_lucius/notes.txt", "seen at dawn");
    assert_eq!(
        DataLock::of(&dataset, "group", &progress).unwrap().digest(),
        before.digest()
    );
}

#[cfg(unix)]
#[test]
fn what_cannot_be_listed_or_read_is_named_and_not_locked() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    small_data_set(folder.path());
    let name = std::ffi::OsStr::from_bytes(b"esox_lucius/pi\xffke.png");
    fs::write(folder.path().join(name), png(60)).unwrap();
    let error = DataLock::of(&open(folder.path()), "group", &|_, _| {}).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("not all of it can be listed"), "{error}");
    assert!(error.contains("esox_lucius"), "{error}");
    fs::remove_file(folder.path().join(name)).unwrap();

    // Larger than any photograph: it is there and stays, and is not read.
    for n in [2, 4] {
        let path = folder.path().join(format!("esox_lucius/{n}.png"));
        fs::File::create(path).unwrap().set_len(300 << 20).unwrap();
    }
    let error = DataLock::of(&open(folder.path()), "group", &|_, _| {}).unwrap_err();
    let error = error.to_string();
    for word in ["esox_lucius/2.png", "1 more", "fishid data check"] {
        assert!(error.contains(word), "`{word}` is missing in: {error}");
    }
}

#[test]
fn names_in_any_script_are_locked_as_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let names = [
        "Щука/снимок 1.png",
        "Щука/a b,c.png",
        "Щука/鯉 \"x\".png",
        "Щука/z#1%~[].png",
    ];
    for (seed, name) in (0..).zip(names) {
        put(folder.path(), name, png(seed));
    }
    let lock = lock(folder.path());
    let mut expected = names.to_vec();
    expected.sort_unstable();
    let paths: Vec<&str> = lock
        .photographs()
        .iter()
        .map(|it| it.content.path.as_str())
        .collect();
    assert_eq!(paths, expected);
    let file = folder.path().join("data.lock.json");
    lock.write(&file).unwrap();
    assert_eq!(DataLock::read(&file).unwrap(), lock);
}

#[test]
fn a_lock_of_another_format_or_a_damaged_one_gives_way_to_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    small_data_set(folder.path());
    let lock = lock(folder.path());
    let file = folder.path().join("data.lock.json");
    for (from, to) in [
        ("\"schema_version\": 1", "\"schema_version\": 9"),
        ("12", "13"),
    ] {
        fs::write(&file, lock.to_text().replace(from, to)).unwrap();
        assert!(DataLock::read(&file).is_err());
        lock.write(&file).unwrap();
        assert_eq!(DataLock::read(&file).unwrap(), lock);
    }
}

#[test]
fn sizes_that_no_disk_holds_are_damage() {
    let folder = tempfile::tempdir().unwrap();
    small_data_set(folder.path());
    let mut value: serde_json::Value =
        serde_json::from_str(&lock(folder.path()).to_text()).unwrap();
    for photograph in value["photographs"].as_array_mut().unwrap() {
        photograph["size"] = u64::MAX.into();
    }
    let file = folder.path().join("data.lock.json");
    fs::write(&file, value.to_string()).unwrap();
    let error = DataLock::read(&file).unwrap_err().to_string();
    assert!(error.contains("it is damaged"), "{error}");
}
