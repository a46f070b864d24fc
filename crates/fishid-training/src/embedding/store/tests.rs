//! What other machines left in the shared place: good, bad, and away.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use fishid_storage::Storage;

use super::{EmbeddingStore, Row, StoreKey, part};

fn row(photo: &str, embedding: &[f32]) -> Row {
    Row {
        photo_digest: photo.to_owned(),
        view: "original".to_owned(),
        embedding: embedding.to_vec(),
    }
}

struct Machines {
    folder: tempfile::TempDir,
    key: StoreKey,
}

impl Machines {
    fn new() -> Self {
        let machines = Self {
            folder: tempfile::tempdir().unwrap(),
            key: StoreKey {
                backbone_digest: "b".into(),
                preprocessing_digest: "p".into(),
                engine_digest: "e".into(),
            },
        };
        fs::create_dir_all(machines.shared()).unwrap();
        machines
    }

    fn shared(&self) -> PathBuf {
        self.folder.path().join("shared").join(self.key.folder())
    }

    fn local(&self, machine: &str) -> PathBuf {
        self.folder.path().join(machine).join(self.key.folder())
    }

    fn store(&self, machine: &str) -> EmbeddingStore {
        let place = self.folder.path().join("shared");
        let place = Storage::open(place.to_str().unwrap(), &BTreeMap::new()).unwrap();
        EmbeddingStore::open(&self.folder.path().join(machine), &self.key)
            .unwrap()
            .of_width(2)
            .shared_in(Some(&place))
    }

    /// Embeddings that a machine finds, and its warnings.
    fn load(&self, machine: &str) -> (usize, Vec<String>) {
        let mut store = self.store(machine);
        let found = store.load(&HashSet::from(["original".to_owned()])).unwrap();
        store.finish();
        (found.len(), store.take_warnings())
    }

    /// What a machine computes.
    fn compute(&self, machine: &str, rows: &[Row]) -> Vec<String> {
        let mut store = self.store(machine);
        store.load(&HashSet::new()).unwrap();
        for row in rows {
            store.push(row.clone());
        }
        store.flush().unwrap();
        store.finish();
        store.take_warnings()
    }
}

fn is_set_aside(folder: &Path, name: &str) -> bool {
    folder.join(name).with_extension("parquet.damaged").exists()
}

#[test]
fn a_bad_part_of_the_shared_place_is_said_once_and_stops_nobody() {
    let good = [row("a", &[1.0, 2.0])];
    let other = [row("b", &[1.0, 2.0])];
    for (rows, name, word) in [
        (vec![row("b", &[1.0, 2.0, 3.0])], None, "3 values"),
        (vec![row("b", &[f32::NAN, 2.0])], None, "no finite number"),
        (
            vec![row("b", &[1.0, f32::INFINITY])],
            None,
            "no finite number",
        ),
        (
            other.to_vec(),
            Some(part::name(&good)),
            "its content is that of",
        ),
    ] {
        let machines = Machines::new();
        assert!(
            machines
                .compute("good", &[row("c", &[3.0, 4.0])])
                .is_empty()
        );
        let name = name.unwrap_or_else(|| part::name(&rows));
        part::write(&machines.shared().join(&name), &rows).unwrap();
        let (n_found, warnings) = machines.load("one");
        assert_eq!((n_found, warnings.len()), (1, 1), "{warnings:?}");
        assert!(warnings[0].contains(word), "{warnings:?}");
        assert!(warnings[0].contains(&name), "{warnings:?}");
        assert!(is_set_aside(&machines.local("one"), &name));
        assert_eq!(machines.load("one"), (1, Vec::new()), "{word}");
    }
}

#[test]
fn a_part_that_is_damaged_there_is_replaced_by_the_one_computed_here() {
    let machines = Machines::new();
    let rows = [row("a", &[1.0, 2.0])];
    let name = part::name(&rows);
    fs::write(machines.shared().join(&name), "no part").unwrap();
    assert_eq!(machines.load("one").0, 0);
    assert!(machines.compute("one", &rows).is_empty());
    assert_eq!(machines.load("two"), (1, Vec::new()));
    assert_eq!(machines.load("one"), (1, Vec::new()));
}

#[test]
fn a_part_that_was_damaged_there_and_is_whole_now_is_fetched() {
    let machines = Machines::new();
    let rows = [row("a", &[1.0, 2.0])];
    let there = machines.shared().join(part::name(&rows));
    fs::write(&there, "no part").unwrap();
    assert_eq!(machines.load("one").1.len(), 1);
    part::write(&there, &rows).unwrap();
    assert_eq!(machines.load("one"), (1, Vec::new()));
}

#[test]
fn a_place_that_cannot_be_listed_is_asked_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let settings = [
        ("AWS_ENDPOINT_URL", url.as_str()),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_MAX_ATTEMPTS", "1"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let place = Storage::open("s3://fish/embeddings", &settings.into()).unwrap();
    let mut store = EmbeddingStore::open(folder.path(), &Machines::new().key)
        .unwrap()
        .shared_in(Some(&place));
    store.load(&HashSet::new()).unwrap();
    let said = store.take_warnings();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains(&url), "{said:?}");
    store.push(row("a", &[1.0, 2.0]));
    store.flush().unwrap();
    store.finish();
    assert_eq!(store.take_warnings(), Vec::<String>::new());
}
