//! A folder brought to a bucket, and gone on with.

use fishid_storage::{Mirrored, fetch_all, mirror};
use fishid_testing::s3::Fault;

use crate::support::{Setting, content, write};

#[test]
fn a_folder_goes_up_once_and_then_only_what_changed() {
    let Some(setting) = Setting::start(|_| Fault::None) else {
        return;
    };
    let folder = setting.path("photos");
    for n in 0..30_u64 {
        let class = folder.join(["esox_lucius", "окунь речной"][n as usize % 2]);
        std::fs::create_dir_all(&class).unwrap();
        write(&class.join(format!("{n}.jpg")), &content(1_000, n));
    }
    write(&folder.join("manifest.csv"), b"path,group\n");
    write(&folder.join(".DS_Store"), b"x");
    let storage = setting.through();
    let up = || mirror(&folder, &storage, &|_, _| {}).unwrap();
    let first = up();
    assert_eq!(
        (first.n_stored, first.n_skipped, first.bytes_stored),
        (31, 0, 30_011)
    );
    let skipped = Mirrored {
        n_skipped: 31,
        ..Mirrored::default()
    };
    assert_eq!(up(), skipped);
    // The same size, another content.
    write(&folder.join("esox_lucius/0.jpg"), &content(1_000, 99));
    assert_eq!((up().n_stored, up()), (1, skipped));
    let mut paths: Vec<String> = storage
        .list()
        .unwrap()
        .files
        .into_iter()
        .map(|file| file.path)
        .collect();
    paths.sort();
    assert_eq!(paths.len(), 31);
    assert!(!paths.iter().any(|path| path.contains(".DS_Store")));
    assert_eq!(storage.folders(""), ["esox_lucius", "окунь речной"]);
}

#[test]
fn a_folder_comes_down_once_and_then_only_what_changed() {
    let Some(setting) = Setting::start(|_| Fault::None) else {
        return;
    };
    let folder = setting.path("photos");
    std::fs::create_dir_all(folder.join("окунь речной")).unwrap();
    for n in 0..20_u64 {
        write(
            &folder.join(format!("окунь речной/{n}.jpg")),
            &content(1_000, n),
        );
    }
    let storage = setting.through();
    mirror(&folder, &storage, &|_, _| {}).unwrap();
    let here = setting.path("fetched");
    let down = || fetch_all(&storage, &here, &|_, _| {}).unwrap();
    assert_eq!((down().n_stored, down().n_skipped), (20, 20));
    let file = here.join("окунь речной/7.jpg");
    assert_eq!(std::fs::read(&file).unwrap(), content(1_000, 7));
    // The same size, another content.
    write(&file, &content(1_000, 99));
    let again = down();
    assert_eq!((again.n_stored, again.n_skipped), (1, 19));
    assert_eq!(std::fs::read(&file).unwrap(), content(1_000, 7));
}

#[test]
fn an_upload_that_stops_in_the_middle_is_gone_on_with() {
    let failing = std::sync::atomic::AtomicUsize::new(0);
    let Some(setting) = Setting::start(move |seen| {
        let n = failing.fetch_add(
            usize::from(seen.method == "PUT"),
            std::sync::atomic::Ordering::SeqCst,
        );
        if n >= 40 && seen.method == "PUT" {
            Fault::Refuse(403, "ExpiredToken")
        } else {
            Fault::None
        }
    }) else {
        return;
    };
    let folder = setting.path("photos");
    std::fs::create_dir_all(&folder).unwrap();
    for n in 0..100 {
        write(&folder.join(format!("{n}.jpg")), &content(1_000, n));
    }
    let error = mirror(&folder, &setting.through(), &|_, _| {}).unwrap_err();
    assert!(error.to_string().contains("expired"), "{error}");
    let rest = mirror(&folder, &setting.direct(), &|_, _| {}).unwrap();
    assert_eq!((rest.n_stored, rest.n_skipped), (60, 40));
}

#[test]
#[cfg(unix)]
fn a_link_out_of_the_folder_is_refused_and_one_inside_is_followed() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let (photos, place) = (folder.path().join("photos"), folder.path().join("place"));
    for dir in [&photos, &place] {
        std::fs::create_dir(dir).unwrap();
    }
    let outside = write(&folder.path().join("secret.txt"), b"geheim");
    let inside = write(&photos.join("1.jpg"), b"perch");
    symlink(&inside, photos.join("2.jpg")).unwrap();
    let to = crate::support::open(place.to_str().unwrap(), &std::collections::BTreeMap::new());
    let up = || mirror(&photos, &to, &|_, _| {});
    assert_eq!(up().unwrap().n_stored, 2);
    symlink(&outside, photos.join("3.jpg")).unwrap();
    let error = up().unwrap_err().to_string();
    assert!(error.contains("3.jpg") && error.contains("copy"), "{error}");
    assert!(!place.join("3.jpg").exists());
}
