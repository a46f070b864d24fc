//! The predictor with a tiny model in the real engine.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fishid_engine::EngineOptions;
use fishid_image::PhotoError;
use fishid_prediction::scoring::{Photograph, Threads, score};
use fishid_prediction::{
    Circumstances, GOLDEN_TOLERANCE, PredictError, Prediction, Predictor, PredictorOptions,
    predict_files,
};
use fishid_storage::Storage;
use fishid_taxonomy::Language;
use fishid_testing::{jpeg, png, tiny_bundle, write_bundle};

const RED: [u8; 3] = [230, 20, 20];
const GREEN: [u8; 3] = [20, 230, 20];
const BLUE: [u8; 3] = [20, 20, 230];

fn open(dir: &Path) -> Result<Predictor, PredictError> {
    Predictor::open(dir, &EngineOptions::single_threaded())
}

fn tiny() -> Predictor {
    open(&tiny_bundle()).unwrap()
}

/// The class a photograph of one colour gets.
#[track_caller]
fn check(photo: &[u8], slug: &str) {
    let predictor = tiny();
    let prediction = predictor.predict(photo).unwrap();
    assert_eq!(predictor.names().slug(prediction.top()), slug);
    let sum: f32 = prediction.probabilities().iter().sum();
    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
}

#[test]
fn a_photograph_gets_the_class_the_model_gives_it() {
    check(&jpeg(64, 48, RED), "abramis_brama");
    check(&png(48, 64, GREEN), "esox_lucius");
    check(&jpeg(300, 20, BLUE), "perca_fluviatilis");
}

#[test]
fn a_reply_has_names_in_the_language_asked_for() {
    let predictor = tiny();
    let prediction = predictor.predict(&jpeg(64, 48, GREEN)).unwrap();
    let reply = |language| {
        let circumstances = Circumstances {
            language,
            processing_time_ms: 1.234_567,
            model_version: "7".to_owned(),
            cached: false,
        };
        prediction.reply(predictor.names(), circumstances)
    };
    let russian = reply(Language::Ru);
    assert_eq!(russian.predicted_label, "Щука (Esox lucius)");
    assert_eq!(russian.top_3_predictions[0].label, "Щука");
    assert_eq!(russian.top_3_predictions.len(), 3);
    assert_eq!(
        (russian.processing_time_ms, russian.model_version.as_str()),
        (1.235, "7")
    );
    assert!((russian.confidence - russian.top_3_predictions[0].probability).abs() < f64::EPSILON);
    let english = reply(Language::En);
    assert_eq!(english.predicted_label, "Pike (Esox lucius)");
    assert_eq!(english.predicted_class, russian.predicted_class);

    let json = serde_json::to_value(&russian).unwrap();
    let mut keys: Vec<_> = json
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "cached",
            "confidence",
            "is_confident",
            "model_version",
            "predicted_class",
            "predicted_label",
            "processing_time_ms",
            "top_3_predictions"
        ]
    );
}

#[test]
fn below_the_threshold_of_the_bundle_the_answer_is_not_sure() {
    let photo = jpeg(64, 48, [110, 130, 110]);
    let confidence = f64::from(tiny().predict(&photo).unwrap().confidence());
    assert!(confidence < 0.99, "{confidence}");
    let folder = tempfile::tempdir().unwrap();
    let with_threshold = |name: &str, threshold: f64| {
        let dir = write_bundle(&folder.path().join(name), |parts| {
            parts.manifest.calibration.confidence_threshold = threshold;
        });
        open(&dir).unwrap()
    };
    let lenient = with_threshold("lenient", confidence - 1e-3);
    assert!(lenient.predict(&photo).unwrap().is_confident());
    let strict = with_threshold("strict", confidence + 1e-3);
    assert!(!strict.predict(&photo).unwrap().is_confident());
    assert_ne!(
        strict.digest(),
        lenient.digest(),
        "another threshold answers otherwise"
    );
}

#[test]
fn a_batch_answers_like_one_by_one() {
    let predictor = tiny();
    let photos: Vec<_> = [RED, GREEN, BLUE]
        .map(|colour| predictor.prepare(&jpeg(32, 32, colour)).unwrap())
        .into();
    let together = predictor.infer(&photos).unwrap();
    for (photo, answer) in photos.into_iter().zip(together) {
        let alone = predictor.infer_one(photo).unwrap();
        for (a, b) in alone.probabilities().iter().zip(answer.probabilities()) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }
    assert!(predictor.infer(&[]).unwrap().is_empty());
}

#[test]
fn golden_photographs_prove_the_model_and_catch_another() {
    let report = tiny().prove(GOLDEN_TOLERANCE).unwrap();
    assert_eq!((report.n, report.misses.len()), (4, 0));
    assert!(report.max_difference < 1e-4, "{}", report.max_difference);

    let folder = tempfile::tempdir().unwrap();
    let other = write_bundle(&folder.path().join("other"), |parts| {
        for photo in &mut parts.golden {
            photo.probabilities.rotate_left(1);
        }
    });
    let other = open(&other).unwrap();
    assert_eq!(
        other.check_golden(GOLDEN_TOLERANCE).unwrap().misses.len(),
        4
    );
    let error = other.prove(GOLDEN_TOLERANCE).unwrap_err().to_string();
    assert!(
        error.contains("0 of 4 agree") && error.contains("photo_00.png"),
        "{error}"
    );
}

#[test]
fn a_bundle_that_does_not_fit_its_network_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let sized = write_bundle(&folder.path().join("sized"), |parts| {
        parts.manifest.preprocessing.width = 9;
    });
    let error = open(&sized).unwrap_err().to_string();
    assert!(error.contains("8x8") && error.contains("9x8"), "{error}");
    assert!(matches!(open(folder.path()), Err(PredictError::Bundle(_))));
}

#[test]
fn a_photographs_own_fault_is_told_from_others() {
    let predictor = tiny();
    let error = predictor.predict(b"no photograph").unwrap_err();
    assert!(
        matches!(error, PredictError::Photo(PhotoError::NotAPhotograph)),
        "{error}"
    );
    let error = predictor.predict(&png(8, 8, RED)).unwrap_err();
    assert!(
        matches!(error, PredictError::Photo(PhotoError::TooSmall { .. })),
        "{error}"
    );
}

#[test]
fn files_are_answered_in_order_and_a_bad_one_stops_none() {
    let folder = tempfile::tempdir().unwrap();
    let colours = [
        ("abramis_brama", RED),
        ("esox_lucius", GREEN),
        ("perca_fluviatilis", BLUE),
    ];
    let mut paths = Vec::new();
    for n in 0..60 {
        let path = folder.path().join(format!("{n:02}.jpg"));
        match n {
            // Large ones take longer, so that the threads finish out of order.
            n if n % 10 == 0 => std::fs::write(&path, jpeg(1500, 1000, colours[n % 3].1)).unwrap(),
            n if n % 10 == 5 => std::fs::write(&path, b"not one").unwrap(),
            n if n % 10 == 7 => {}
            n => std::fs::write(&path, jpeg(40, 30, colours[n % 3].1)).unwrap(),
        }
        paths.push(path);
    }
    let predictor =
        Arc::new(Predictor::open_with(tiny_bundle(), &PredictorOptions::for_files(3)).unwrap());
    let answers: Vec<_> = predict_files(&predictor, paths.clone(), 3)
        .unwrap()
        .collect();
    assert_eq!(
        answers
            .iter()
            .map(|item| item.path.clone())
            .collect::<Vec<_>>(),
        paths
    );
    for (n, item) in answers.into_iter().enumerate() {
        match n % 10 {
            5 => assert!(matches!(item.answer, Err(PredictError::Photo(_)))),
            7 => assert!(matches!(item.answer, Err(PredictError::Read { .. }))),
            _ => {
                let prediction = item.answer.unwrap();
                assert_eq!(predictor.names().slug(prediction.top()), colours[n % 3].0);
                assert!(item.seconds > 0.0);
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_or_too_large_is_refused_unread_by_person_and_table_alike() {
    use std::os::unix::{fs::symlink, net::UnixListener};
    use std::process::Command;

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    symlink("/dev/null", at("device.jpg")).unwrap();
    let _socket = UnixListener::bind(at("socket.jpg")).unwrap();
    std::fs::create_dir(at("folder.jpg")).unwrap();
    // Sparse: it takes no room on the disk, and reading it would take a while.
    let large = std::fs::File::create(at("large.jpg")).unwrap();
    large.set_len((256 << 20) + 1).unwrap();
    std::fs::write(at("photo.jpg"), jpeg(40, 30, RED)).unwrap();
    symlink(at("photo.jpg"), at("link.jpg")).unwrap();

    // Nobody writes to it: whoever opens it waits for ever.
    let made = Command::new("mkfifo").arg(at("pipe.jpg")).status();
    assert!(made.unwrap().success());

    let predictor = Arc::new(tiny());
    let names = ["device", "socket", "pipe", "folder", "large", "link"];
    let names = names.map(|name| format!("{name}.jpg"));
    let slug = |prediction: &Prediction| predictor.names().slug(prediction.top()).to_owned();
    let paths: Vec<_> = names.iter().map(|name| at(name)).collect();
    let printed: Vec<String> = predict_files(&predictor, paths, 1)
        .unwrap()
        .map(|item| match item.answer {
            Ok(prediction) => slug(&prediction),
            Err(error) => error.to_string(),
        })
        .collect();
    for (told, message) in printed.iter().zip([
        "device.jpg is no regular file",
        "socket.jpg is no regular file",
        "pipe.jpg is no regular file",
        "folder.jpg is no regular file",
        "large.jpg is larger than 256 MB",
        "abramis_brama",
    ]) {
        assert!(told.contains(message), "{told:?} does not say {message:?}");
    }

    let place = Storage::open(folder.path().to_str().unwrap(), &BTreeMap::new()).unwrap();
    let place = Arc::new(place);
    let photographs = names.map(|key| {
        Ok(Photograph {
            path: place.full_path(&key),
            place: Arc::clone(&place),
            key,
        })
    });
    let threads = Threads {
        n_workers: 1,
        n_readers: 1,
    };
    let in_table: Vec<String> = score(&predictor, photographs.into_iter(), threads)
        .unwrap()
        .map(|scored| match scored.unwrap().answer {
            Ok(prediction) => slug(&prediction),
            Err(refusal) => {
                assert_eq!(refusal.kind, "unreadable");
                refusal.message
            }
        })
        .collect();
    assert_eq!(in_table, printed);
}

#[test]
fn leaving_a_stream_early_ends_its_work() {
    let predictor = Arc::new(tiny());
    let (asked, n_asked) = std::sync::mpsc::channel();
    let endless = (0_u64..).map(move |n| {
        // The receiver may be gone; the iterator is what is under test.
        let _ = asked.send(n);
        PathBuf::from(format!("missing-{n}"))
    });
    let mut files = predict_files(&predictor, endless, 2).unwrap();
    for _ in 0..100 {
        assert!(files.next().is_some());
    }
    drop(files);
    // Ends only when the feeder has dropped the iterator and with it the sender.
    let n = n_asked.iter().count();
    assert!(
        (100..200).contains(&n),
        "{n} paths were taken for 100 answers"
    );
}
