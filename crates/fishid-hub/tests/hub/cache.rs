//! What lies in the cache is used without a network, verified each time, and mended when damaged.

use crate::{Case, assert_says, content, pinned};

#[test]
fn a_cached_file_needs_no_network() {
    let case = Case::new();
    assert_eq!(case.hub().cached(&pinned()).unwrap(), None);
    let fetched = case.fetch(&pinned()).unwrap();
    let asked = case.server.seen().len();
    let hub = case.hub();
    drop(case.server);
    assert_eq!(hub.cached(&pinned()).unwrap().as_ref(), Some(&fetched));
    assert_eq!(hub.fetch(&pinned(), None, &mut |_| {}).unwrap(), fetched);
    assert_eq!(asked, 3);
}

#[test]
fn a_damaged_file_counts_as_absent_and_is_fetched_again() {
    for damage in [
        content()[1..].to_vec(),
        vec![0; content().len()],
        Vec::new(),
    ] {
        let case = Case::new();
        let fetched = case.fetch(&pinned()).unwrap();
        std::fs::write(&fetched.path, damage).unwrap();
        assert_eq!(case.hub().cached(&pinned()).unwrap(), None);
        assert_eq!(case.fetch(&pinned()).unwrap(), fetched);
        assert_eq!(std::fs::read(fetched.path).unwrap(), content());
    }
}

#[test]
fn a_broken_record_is_named_and_left_alone() {
    let case = Case::new();
    case.fetch(&pinned()).unwrap();
    let record = case.folder().join("model.safetensors.json");
    std::fs::write(&record, "{").unwrap();
    assert_says(
        &case.refusal(&pinned()),
        &[&*record.to_string_lossy(), "Delete"],
    );
    assert_eq!(std::fs::read_to_string(record).unwrap(), "{");
}
