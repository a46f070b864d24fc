//! Without faults: what goes in comes out, with the digest beside it.

use fishid_testing::s3::Fault;

use crate::support::{Setting, content, is_part, write};

#[test]
fn files_of_every_size_come_back_as_they_went() {
    let Some(setting) = Setting::start(|_| Fault::None) else {
        return;
    };
    let storage = setting.through();
    assert!(storage.is_remote());
    let part = 8 << 20;
    for n_bytes in [0, 1, part, part + 1, 2 * part + 12_345] {
        let source = setting.file(n_bytes);
        let stored = storage.put_file("a/b c+1%/окунь.bin", &source).unwrap();
        let stat = storage.stat("a/b c+1%/окунь.bin").unwrap().unwrap();
        assert_eq!(stat.size, n_bytes as u64);
        assert_eq!(stat.sha256.as_ref(), Some(&stored.sha256));
        let target = setting.path("target");
        let fetched = storage
            .get_file("a/b c+1%/окунь.bin", &target, None)
            .unwrap();
        assert_eq!(fetched, stored);
        assert!(std::fs::read(&source).unwrap() == std::fs::read(&target).unwrap());
    }
    let n_parts = setting
        .proxy
        .seen()
        .iter()
        .filter(|seen| is_part(seen))
        .count();
    assert_eq!(n_parts, 2 + 3);
    assert!(
        setting
            .proxy
            .seen()
            .iter()
            .filter(|seen| is_part(seen))
            .all(|seen| { seen.header("x-amz-checksum-sha256").is_some() })
    );
    assert_eq!(setting.server.unfinished_uploads("fish"), 0);
}

#[test]
fn small_content_is_written_read_listed_and_removed() {
    let Some(setting) = Setting::start(|_| Fault::None) else {
        return;
    };
    let storage = setting.through();
    storage.put("pike/1.txt", "one").unwrap();
    storage.put("pike/1.txt", "two").unwrap();
    assert_eq!(storage.read("pike/1.txt").unwrap(), "two");
    assert_eq!(storage.read_if_present("pike/2.txt").unwrap(), None);
    assert_eq!(storage.stat("pike/2.txt").unwrap(), None);
    assert_eq!(storage.folders(""), ["pike"]);
    let listing = storage.list().unwrap();
    assert_eq!(listing.files.len(), 1);
    assert_eq!(
        (listing.files[0].path.as_str(), listing.files[0].size),
        ("pike/1.txt", 3)
    );
    storage.delete("pike/1.txt").unwrap();
    storage.delete("pike/1.txt").unwrap();
    assert!(storage.list().unwrap().files.is_empty());
}

#[test]
fn a_listing_of_more_than_one_page_is_whole() {
    let Some(setting) = Setting::start(|_| Fault::None) else {
        return;
    };
    let folder = setting.server.bucket("fish").join("rivers/many");
    std::fs::create_dir_all(&folder).unwrap();
    for n in 0..2_345 {
        write(&folder.join(format!("{n:04}.jpg")), b"x");
    }
    let listing = setting.through().list().unwrap();
    let mut paths: Vec<String> = listing.files.into_iter().map(|file| file.path).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 2_345);
    let n_pages = setting
        .proxy
        .seen()
        .iter()
        .filter(|seen| seen.target.contains("list-type=2"))
        .count();
    assert_eq!(n_pages, 3, "a page has 1000 keys");
}

#[test]
fn what_other_programs_stored_has_no_digest_and_is_fetched_all_the_same() {
    let Some(setting) = Setting::start(|_| Fault::None) else {
        return;
    };
    let folder = setting.server.bucket("fish").join("rivers");
    std::fs::create_dir_all(&folder).unwrap();
    let body = content(100_000, 3);
    write(&folder.join("foreign.jpg"), &body);
    let storage = setting.through();
    assert_eq!(storage.stat("foreign.jpg").unwrap().unwrap().sha256, None);
    storage
        .get_file("foreign.jpg", &setting.path("target"), None)
        .unwrap();
    assert!(std::fs::read(setting.path("target")).unwrap() == body);
}
