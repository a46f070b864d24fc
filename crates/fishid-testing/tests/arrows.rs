//! Arrows between the rooms point down only: this test reads what cargo knows of the workspace.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::process::Command;

/// The level of each room, as in docs/architecture.md. A room depends on lower levels only.
const LEVELS: &[(&str, u8)] = &[
    ("fishid-taxonomy", 0),
    ("fishid-image", 1),
    ("fishid-bundle", 1),
    ("fishid-hub", 1),
    ("fishid-storage", 1),
    ("fishid-dataset", 2),
    ("fishid-network", 2),
    ("fishid-engine", 2),
    ("fishid-registry", 2),
    ("fishid-training", 3),
    ("fishid-prediction", 3),
    ("fishid-serving", 3),
    ("fishid-pipeline", 4),
    ("fishid-server", 4),
    ("fishid", 5),
    ("fishid-python", 6),
];

/// Rooms that stand outside the levels: nothing that ships may depend on them.
const OUTSIDE: &[&str] = &["fishid-testing", "fishid-bench"];

/// Arrows that point down and still must not exist, with what the room must not know.
const FORBIDDEN: &[(&str, &str)] = &[
    ("fishid-engine", "fishid-image"),
    ("fishid-dataset", "fishid-bundle"),
    ("fishid-training", "fishid-registry"),
    ("fishid-prediction", "fishid-registry"),
    ("fishid-serving", "fishid-engine"),
    ("fishid-serving", "fishid-registry"),
    ("fishid-serving", "fishid-bundle"),
    ("fishid-server", "fishid-training"),
    ("fishid-server", "fishid-registry"),
    ("fishid-python", "fishid-server"),
    ("fishid-python", "fishid-registry"),
    ("fishid-python", "fishid-pipeline"),
];

/// Third-party crates that belong to one room, or a few.
const HEAVY: &[(&str, &[&str])] = &[
    ("axum", &["fishid-server"]),
    ("ort", &["fishid-engine"]),
    (
        "burn",
        &["fishid-network", "fishid-training", "fishid-bench"],
    ),
    ("turbojpeg", &["fishid-image", "fishid-bench"]),
    ("object_store", &["fishid-storage"]),
    ("parquet", &["fishid-prediction", "fishid-training"]),
    ("clap", &["fishid", "fishid-bench"]),
    ("prost", &["fishid-engine", "fishid-network"]),
    ("redis", &["fishid-serving"]),
    ("pyo3", &["fishid-python"]),
];

/// Package name → names of its normal dependencies.
fn normal_dependencies() -> BTreeMap<String, Vec<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let names = package["dependencies"].as_array().unwrap();
            let normal = names
                .iter()
                .filter(|dependency| dependency["kind"].is_null());
            let names = normal.map(|dependency| dependency["name"].as_str().unwrap().to_owned());
            (
                package["name"].as_str().unwrap().to_owned(),
                names.collect(),
            )
        })
        .collect()
}

#[test]
fn arrows_between_rooms_point_down() {
    let rooms = normal_dependencies();
    let levels: BTreeMap<&str, u8> = LEVELS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (room, dependencies) in &rooms {
        if OUTSIDE.contains(&room.as_str()) {
            continue;
        }
        let level = levels
            .get(room.as_str())
            .unwrap_or_else(|| panic!("{room} has no level here"));
        for dependency in dependencies.iter().filter(|name| rooms.contains_key(*name)) {
            let down = levels
                .get(dependency.as_str())
                .is_some_and(|below| below < level);
            if !down || FORBIDDEN.contains(&(room.as_str(), dependency.as_str())) {
                wrong.push(format!("{room} → {dependency}"));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that must not be: {wrong:?}");
}

#[test]
fn every_room_of_the_map_exists() {
    let rooms = normal_dependencies();
    let missing: Vec<_> = LEVELS
        .iter()
        .filter(|(room, _)| !rooms.contains_key(*room))
        .collect();
    assert!(
        missing.is_empty(),
        "rooms on the map that are not in the workspace: {missing:?}"
    );
}

#[test]
fn heavy_dependencies_stay_in_their_rooms() {
    let rooms = normal_dependencies();
    for (heavy, allowed) in HEAVY {
        let owners = rooms
            .iter()
            .filter(|(_, names)| names.iter().any(|name| name == heavy));
        for (room, _) in owners {
            assert!(
                allowed.contains(&room.as_str()),
                "{room} depends on {heavy}"
            );
        }
    }
}
