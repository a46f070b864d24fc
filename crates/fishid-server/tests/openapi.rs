//! The `OpenAPI` document is a golden file: whoever changes the interface sees it in the review.
#![allow(clippy::unwrap_used)]

use std::path::Path;

#[test]
fn the_openapi_document_is_the_one_that_was_reviewed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/openapi.json");
    let document = fishid_server::openapi_json();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &document).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        document == golden,
        "the interface has changed; if that is meant, run\n  \
         UPDATE_GOLDEN=1 cargo test --release -p fishid-server --test openapi\nand review {}",
        path.display()
    );
}
