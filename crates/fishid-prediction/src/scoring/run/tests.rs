#![allow(clippy::unwrap_used)]

use super::*;
use crate::scoring::Refusal;

fn identity() -> RunIdentity {
    RunIdentity {
        model_digest: "ab".to_owned(),
        engine_digest: "cd".to_owned(),
        language: "ru".to_owned(),
        inputs: vec!["/photos".to_owned()],
    }
}

fn row(n: usize) -> Row {
    let refusal = Refusal::unreadable("it is gone, \"as they say\"");
    Row::refused(format!("/photos/{n}.jpg"), refusal)
}

struct Setting {
    folder: tempfile::TempDir,
}

impl Setting {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    fn output(&self, name: &str) -> Output {
        Output::new(&self.folder.path().join(name)).unwrap()
    }

    /// A run of a table, gone on with by another process: the one before is gone.
    fn open(&self, name: &str) -> Run {
        let opened = Run::open(&self.output(name), &identity(), false);
        opened.unwrap().unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn a_run_goes_on_where_it_was_and_leaves_only_its_table() {
    let setting = Setting::new();
    for n in 0..3 {
        let mut run = setting.open("a.jsonl");
        assert_eq!(run.n_rows(), n);
        assert_eq!(run.finished().has("/photos/0.jpg"), n > 0);
        run.add(&row(n)).unwrap();
        assert_eq!(setting.names(), ["a.jsonl.unfinished"]);
    }
    let run = setting.open("a.jsonl");
    assert_eq!((run.n_rows(), run.n_refused()), (3, 3));
    run.finish().unwrap();
    assert_eq!(setting.names(), ["a.jsonl"]);
    let text = fs::read_to_string(setting.folder.path().join("a.jsonl")).unwrap();
    let paths: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<Row>(line).unwrap().path)
        .collect();
    assert_eq!(paths, ["/photos/0.jpg", "/photos/1.jpg", "/photos/2.jpg"]);
}

#[test]
fn another_run_for_the_same_table_is_refused_with_what_is_different() {
    let setting = Setting::new();
    drop(setting.open("a.csv"));
    let output = setting.output("a.csv");
    let check = |change: fn(&mut RunIdentity), says: &str| {
        let mut other = identity();
        change(&mut other);
        let error = Run::open(&output, &other, false).err().unwrap().to_string();
        assert!(
            error.contains(says) && error.contains("--restart"),
            "{error}"
        );
    };
    check(|it| it.model_digest.clear(), "another model");
    check(|it| it.engine_digest.clear(), "another engine or precision");
    check(|it| it.language.clear(), "another language");
    check(|it| it.inputs.clear(), "other photographs");

    let mut run = setting.open("a.csv");
    run.add(&row(1)).unwrap();
    let busy = Run::open(&output, &identity(), true).err().unwrap();
    assert!(matches!(busy, RunError::Busy { .. }), "{busy}");
    drop(run);
    let mut other = identity();
    other.language = "en".to_owned();
    let run = Run::open(&output, &other, true).unwrap().unwrap();
    assert_eq!(run.n_rows(), 0);
}

#[test]
fn a_table_that_is_there_is_not_replaced_unasked_and_stays_until_the_new_one_is_whole() {
    let setting = Setting::new();
    let output = setting.output("a.csv");
    fs::write(&output.path, "old").unwrap();
    let error = Run::open(&output, &identity(), false).err().unwrap();
    assert!(matches!(error, RunError::Exists { .. }), "{error}");
    assert_eq!(setting.names(), ["a.csv"]);
    drop(Run::open(&output, &identity(), true).unwrap().unwrap());
    // Once begun anew it goes on without being told so again.
    let mut run = setting.open("a.csv");
    run.add(&row(1)).unwrap();
    assert_eq!(fs::read_to_string(&output.path).unwrap(), "old");
    run.finish().unwrap();
    let text = fs::read_to_string(&output.path).unwrap();
    assert!(text.starts_with("path,predicted_class,"), "{text}");
    assert!(text.contains("unreadable"), "{text}");
    assert_eq!(setting.names(), ["a.csv"]);
}

/// A copy of a folder at an instant at which the process may have been killed.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn an_end_that_was_cut_off_anywhere_is_made_up_for() {
    let setting = Setting::new();
    let mut run = setting.open("a.csv");
    for n in 0..3 {
        run.add(&row(n)).unwrap();
    }
    let working = run.folder().to_owned();
    drop(run);
    let kept = setting.folder.path().join("kept");
    copy(&working, &kept);
    fs::remove_dir_all(&working).unwrap();
    let output = setting.output("a.csv");
    // What is there at each step from the last answer on: (table made, mark set, in place, files already removed).
    for (is_made, is_marked, is_placed, removed) in [
        (true, false, false, &[][..]),
        (true, true, false, &[]),
        (false, true, true, &[]),
        (false, true, true, &[JOURNAL]),
        (false, true, true, &[JOURNAL, IDENTITY]),
    ] {
        copy(&kept, &working);
        if is_made {
            // Half of it, as it may be without the mark.
            let content: &[u8] = if is_marked { b"path\n" } else { b"pa" };
            fs::write(working.join(TABLE), content).unwrap();
        }
        if is_marked {
            fs::write(working.join(FINISHED), b"").unwrap();
        }
        if is_placed {
            fs::write(&output.path, b"path\n").unwrap();
        }
        for name in removed {
            fs::remove_file(working.join(name)).unwrap();
        }
        match Run::open(&output, &identity(), false).unwrap() {
            None => assert!(is_marked),
            Some(run) => {
                assert!(!is_marked);
                assert_eq!(run.n_rows(), 3);
                run.finish().unwrap();
            }
        }
        assert_eq!(setting.names(), ["a.csv", "kept"]);
        let text = fs::read_to_string(&output.path).unwrap();
        assert!(text.starts_with("path"), "{text}");
        fs::remove_file(&output.path).unwrap();
    }
}
