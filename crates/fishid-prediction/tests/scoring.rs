//! Folders scored as a stream, with a tiny model in the real engine; the table read back.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array as _, RecordBatch};
use fishid_prediction::scoring::{
    Output, Photograph, Row, Run, RunIdentity, Scored, Threads, score,
};
use fishid_prediction::{Circumstances, Predictor, PredictorOptions};
use fishid_storage::{Storage, StorageError};
use fishid_testing::{jpeg, tiny_bundle};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

const THREADS: Threads = Threads {
    n_workers: 2,
    n_readers: 2,
};

fn predictor() -> Arc<Predictor> {
    let options = PredictorOptions::for_files(THREADS.n_workers);
    Arc::new(Predictor::open_with(tiny_bundle(), &options).unwrap())
}

fn storage(folder: &Path) -> Arc<Storage> {
    Arc::new(Storage::open(folder.to_str().unwrap(), &BTreeMap::new()).unwrap())
}

fn photograph(place: &Arc<Storage>, key: &str) -> Photograph {
    Photograph {
        path: place.full_path(key),
        place: Arc::clone(place),
        key: key.to_owned(),
    }
}

fn identity() -> RunIdentity {
    RunIdentity {
        model_digest: String::new(),
        engine_digest: String::new(),
        language: "en".to_owned(),
        inputs: Vec::new(),
    }
}

fn row(predictor: &Predictor, scored: Scored) -> Row {
    match scored.answer {
        Err(refusal) => Row::refused(scored.path, refusal),
        Ok(prediction) => {
            let circumstances = Circumstances {
                language: fishid_taxonomy::Language::En,
                model_version: "1".to_owned(),
                ..Circumstances::default()
            };
            let reply = prediction.reply(predictor.names(), circumstances);
            Row::answered(scored.path, reply, predictor.digest())
        }
    }
}

fn read_parquet(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap());
    let mut batches = reader.unwrap().with_batch_size(1 << 20).build().unwrap();
    let batch = batches.next().unwrap().unwrap();
    assert!(batches.next().is_none());
    batch
}

#[test]
fn a_folder_becomes_a_table_in_which_a_bad_photograph_is_a_row_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    std::fs::create_dir(&photos).unwrap();
    std::fs::write(photos.join("red.jpg"), jpeg(40, 30, [230, 20, 20])).unwrap();
    std::fs::write(
        photos.join("зелёный, \"2\".jpg"),
        jpeg(40, 30, [20, 230, 20]),
    )
    .unwrap();
    std::fs::write(photos.join("bad.jpg"), b"not one").unwrap();
    std::fs::write(photos.join("empty.jpg"), b"").unwrap();
    let predictor = predictor();
    let place = storage(&photos);
    let keys = [
        "red.jpg",
        "зелёный, \"2\".jpg",
        "bad.jpg",
        "empty.jpg",
        "gone.jpg",
    ];
    let photographs: Vec<_> = keys.iter().map(|key| Ok(photograph(&place, key))).collect();
    let mut tables = Vec::new();
    for name in ["a.parquet", "a.csv"] {
        let output = Output::new(&folder.path().join(name)).unwrap();
        let mut run = Run::open(&output, &identity(), false).unwrap().unwrap();
        let photographs = photographs
            .iter()
            .map(|it: &Result<Photograph, StorageError>| Ok(it.as_ref().unwrap().clone()))
            .collect::<Vec<_>>();
        for scored in score(&predictor, photographs.into_iter(), THREADS).unwrap() {
            run.add(&row(&predictor, scored.unwrap())).unwrap();
        }
        assert_eq!((run.n_rows(), run.n_refused()), (5, 3));
        run.finish().unwrap();
        tables.push(output.path);
    }

    let table = read_parquet(&tables[0]);
    let text = |name: &str| {
        table
            .column_by_name(name)
            .unwrap()
            .as_string::<i32>()
            .clone()
    };
    let number = |name: &str| {
        let column = table.column_by_name(name).unwrap();
        column.as_primitive::<Float64Type>().clone()
    };
    let paths = text("path");
    let at = |key: &str| {
        let wanted = place.full_path(key);
        (0..table.num_rows())
            .find(|&n| paths.value(n) == wanted)
            .unwrap()
    };
    let red = at("red.jpg");
    assert_eq!(text("predicted_class").value(red), "abramis_brama");
    assert_eq!(text("predicted_label").value(red), "Bream (Abramis brama)");
    assert!(number("confidence").value(red) > 0.5);
    assert!(number("top_2_probability").value(red) >= number("top_3_probability").value(red));
    assert!(!text("top_2_class").value(red).is_empty());
    assert_eq!(text("model_version").value(red), "1");
    assert_eq!(text("model_digest").value(red), predictor.digest());
    assert!(text("error_kind").is_null(red));
    assert!(
        table
            .column_by_name("is_confident")
            .unwrap()
            .as_boolean()
            .is_valid(red)
    );
    assert_eq!(text("predicted_class").value(at(keys[1])), "esox_lucius");
    for (key, kind) in [
        ("bad.jpg", "not_a_photograph"),
        ("empty.jpg", "empty"),
        ("gone.jpg", "unreadable"),
    ] {
        assert_eq!(text("error_kind").value(at(key)), kind);
        assert!(text("error").is_valid(at(key)));
        assert!(text("predicted_class").is_null(at(key)));
        assert!(number("confidence").is_null(at(key)));
    }

    let mut reader = csv::Reader::from_path(&tables[1]).unwrap();
    let header: Vec<String> = reader
        .headers()
        .unwrap()
        .iter()
        .map(str::to_owned)
        .collect();
    let schema = table.schema();
    let names: Vec<&String> = schema.fields().iter().map(|it| it.name()).collect();
    assert_eq!(header.iter().collect::<Vec<_>>(), names);
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let green = rows
        .iter()
        .find(|row| row[0] == place.full_path(keys[1]))
        .unwrap();
    assert_eq!(&green[1], "esox_lucius");
}

#[test]
fn leaving_an_endless_stream_ends_its_work_and_never_more_than_the_queues_hold_was_listed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.jpg"), jpeg(40, 30, [230, 20, 20])).unwrap();
    let place = storage(folder.path());
    let n_listed = Arc::new(AtomicUsize::new(0));
    let endless = {
        let n_listed = Arc::clone(&n_listed);
        std::iter::repeat_with(move || {
            n_listed.fetch_add(1, Ordering::Relaxed);
            Ok(photograph(&place, "a.jpg"))
        })
    };
    let mut scores = score(&predictor(), endless, THREADS).unwrap();
    for _ in 0..100 {
        assert!(scores.next().unwrap().unwrap().answer.is_ok());
    }
    drop(scores);
    // The iterator holds the other one; it goes with the thread that lists.
    while Arc::strong_count(&n_listed) > 1 {
        std::thread::yield_now();
    }
    let n = n_listed.load(Ordering::Relaxed);
    assert!((100..500).contains(&n), "{n} listed for 100 answers");
}

#[test]
fn an_error_of_the_place_ends_the_stream_with_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.jpg"), jpeg(40, 30, [230, 20, 20])).unwrap();
    let place = storage(folder.path());
    let error = StorageError::Missing {
        location: "s3://lakes".to_owned(),
    };
    let photographs = [Ok(photograph(&place, "a.jpg")), Err(error)];
    let scores = score(&predictor(), photographs.into_iter(), THREADS).unwrap();
    let (good, bad): (Vec<_>, Vec<_>) = scores.partition(Result::is_ok);
    assert_eq!((good.len(), bad.len()), (1, 1));
    let error = bad.into_iter().next().unwrap().unwrap_err().to_string();
    assert!(error.contains("s3://lakes"), "{error}");
}

/// Set for the process that is measured.
const MEASURED: &str = "FISHID_TEST_MEASURED_TABLE";

/// The most memory this process has had, in MB.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mut lines = status.lines();
    let line = lines.find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        >> 10
}

/// Answers `n` photographs more of a run and leaves it.
fn answer_more(folder: &Path, predictor: &Arc<Predictor>, range: std::ops::Range<usize>) {
    let output = Output::new(&folder.join("table.parquet")).unwrap();
    let mut run = Run::open(&output, &identity(), false).unwrap().unwrap();
    assert_eq!(run.n_rows(), range.start);
    let place = storage(folder);
    // One file under as many names as there are photographs in a large archive.
    let photographs = range.map(move |n| {
        Ok(Photograph {
            path: format!("/archive/2026/trap-17/{n:09}.jpg"),
            ..photograph(&place, "a.jpg")
        })
    });
    for scored in score(predictor, photographs, THREADS).unwrap() {
        run.add(&row(predictor, scored.unwrap())).unwrap();
    }
    run.pause().unwrap();
}

fn measured(folder: &Path) {
    let predictor = predictor();
    answer_more(folder, &predictor, 0..5_000);
    let after_few = peak_mb();
    answer_more(folder, &predictor, 5_000..60_000);
    let after_many = peak_mb();
    let output = Output::new(&folder.join("table.parquet")).unwrap();
    let run = Run::open(&output, &identity(), false).unwrap().unwrap();
    assert!(run.finished().has("/archive/2026/trap-17/000059999.jpg"));
    assert!(!run.finished().has("/archive/2026/trap-17/000060000.jpg"));
    run.finish().unwrap();
    let after_table = peak_mb();
    eprintln!(
        "5 000: {after_few} MB, 60 000: {after_many} MB, their table: {after_table} MB at most"
    );
    assert!(after_many < after_few + 12, "it grows with the photographs");
    assert!(after_table < after_many + 48, "the table is collected");
}

#[test]
fn memory_does_not_grow_with_the_photographs() {
    if let Some(folder) = std::env::var_os(MEASURED) {
        return measured(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.jpg"), jpeg(40, 30, [230, 20, 20])).unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "memory_does_not_grow_with_the_photographs",
            "--nocapture",
        ])
        .env(MEASURED, folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    eprintln!(
        "{}",
        told.lines().find(|line| line.contains("at most")).unwrap()
    );
    let table = ParquetRecordBatchReaderBuilder::try_new(
        File::open(folder.path().join("table.parquet")).unwrap(),
    );
    assert_eq!(table.unwrap().metadata().file_metadata().num_rows(), 60_000);
}
