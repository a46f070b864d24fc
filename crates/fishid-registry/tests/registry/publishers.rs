//! Several processes write to one registry at once.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;

use fishid_registry::{Action, FolderRegistry, ModelRegistry};

use crate::worker::{self, MODEL};

#[test]
fn processes_publishing_at_once_share_versions_by_digest_and_never_a_number() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("registry");
    fs::create_dir(&root).unwrap();
    // Seeds 1 to 12, of which 5 to 8 come from both.
    let workers = [worker::start(&root, 1, 8), worker::start(&root, 5, 8)];
    for mut child in workers {
        let mut printed = String::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut printed)
            .unwrap();
        assert!(child.wait().unwrap().success(), "{printed}");
        assert_eq!(printed.matches("step published").count(), 8, "{printed}");
    }
    let registry = FolderRegistry::new(&root);
    let versions = registry.versions(MODEL).unwrap();
    let digests: BTreeSet<_> = versions
        .iter()
        .map(|version| &version.bundle_digest)
        .collect();
    assert_eq!((versions.len(), digests.len()), (12, 12));
    let history = registry.history(MODEL).unwrap();
    assert!(
        history.iter().zip(1..).all(|(event, seq)| event.seq == seq),
        "{history:#?}"
    );
    let n_published = history
        .iter()
        .filter(|event| event.action == Action::Published)
        .count();
    assert_eq!(n_published, 12);
}
