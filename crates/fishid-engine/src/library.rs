//! Where the ONNX Runtime library is looked for. Knows paths only; loading is `runtime`'s.
//!
//! The order: `ORT_DYLIB_PATH`, the set-up's folder under `FISHID_HOME`, the same under the default home,
//! beside the executable.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::EngineError;

/// The ONNX Runtime version the set-up script installs and the tests run against.
pub const ONNX_RUNTIME_VERSION: &str = "1.24.1";

/// The settings the search depends on, taken once, so that a test can give its own.
#[derive(Debug, Clone, Default)]
pub struct LibraryLocations {
    /// `ORT_DYLIB_PATH`: a library file, or a folder that holds one. When set, nothing else is tried.
    pub override_path: Option<PathBuf>,
    /// `FISHID_HOME`, when set.
    pub fishid_home: Option<PathBuf>,
    /// The user's home folder, for the default `~/.local/share/fishid`.
    pub user_home: Option<PathBuf>,
    /// The folder of the running executable.
    pub executable_folder: Option<PathBuf>,
}

impl LibraryLocations {
    /// Reads the process environment.
    pub fn from_environment() -> Self {
        let path = |name: &str| {
            let value: Option<OsString> = std::env::var_os(name);
            value.filter(|text| !text.is_empty()).map(PathBuf::from)
        };
        let executable = std::env::current_exe().ok();
        Self {
            override_path: path("ORT_DYLIB_PATH"),
            fishid_home: path("FISHID_HOME"),
            user_home: path("HOME"),
            executable_folder: executable.and_then(|exe| exe.parent().map(Path::to_path_buf)),
        }
    }

    /// The first place that holds a library, made absolute.
    ///
    /// # Errors
    /// [`EngineError::LibraryMissing`] with every place looked at.
    pub fn locate(&self) -> Result<PathBuf, EngineError> {
        let places = self.places();
        match places.iter().find_map(|place| library_at(place)) {
            Some(found) => Ok(std::path::absolute(&found).unwrap_or(found)),
            None => Err(EngineError::LibraryMissing { searched: places }),
        }
    }

    fn places(&self) -> Vec<PathBuf> {
        // A set override that points nowhere is a mistake to be told, not a hint to look elsewhere.
        if let Some(path) = &self.override_path {
            return vec![path.clone()];
        }
        let installed = |home: PathBuf| home.join("onnxruntime").join(ONNX_RUNTIME_VERSION);
        let mut places = Vec::new();
        places.extend(self.fishid_home.clone().map(installed));
        places.extend(
            self.user_home
                .as_ref()
                .map(|home| installed(home.join(".local/share/fishid"))),
        );
        places.extend(self.executable_folder.clone());
        places.dedup();
        places
    }
}

/// Finds the ONNX Runtime library by the environment of this process.
///
/// # Errors
/// [`EngineError::LibraryMissing`] with every place looked at and the remedy.
pub fn locate_library() -> Result<PathBuf, EngineError> {
    LibraryLocations::from_environment().locate()
}

/// `place` itself when it is a file, else the library inside the folder: the pinned name first, then any other.
fn library_at(place: &Path) -> Option<PathBuf> {
    if place.is_file() {
        return Some(place.to_path_buf());
    }
    let pinned = [
        format!("libonnxruntime.so.{ONNX_RUNTIME_VERSION}"),
        format!("libonnxruntime.{ONNX_RUNTIME_VERSION}.dylib"),
        "onnxruntime.dll".to_owned(),
        "libonnxruntime.so".to_owned(),
        "libonnxruntime.dylib".to_owned(),
    ];
    let named = pinned
        .iter()
        .map(|name| place.join(name))
        .find(|path| path.is_file());
    named.or_else(|| newest_versioned(place))
}

/// The greatest `libonnxruntime.so.*` of a folder, compared number by number.
fn newest_versioned(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let versioned = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        let version = path
            .file_name()?
            .to_str()?
            .strip_prefix("libonnxruntime.so.")?
            .to_owned();
        let numbers: Vec<u64> = version
            .split('.')
            .map(|part| part.parse().unwrap_or(0))
            .collect();
        Some((numbers, path))
    });
    versioned.max().map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(
        files: &[&str],
        locations: impl Fn(&Path) -> LibraryLocations,
        expected: Option<&str>,
    ) {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"library").unwrap();
        }
        let found = locations(root.path()).locate();
        assert_eq!(found.ok(), expected.map(|name| root.path().join(name)));
    }

    #[test]
    fn the_override_wins_over_the_installed_library() {
        let installed = "home/onnxruntime/1.24.1/libonnxruntime.so.1.24.1";
        check(
            &[installed, "own/libonnxruntime.so"],
            |root| LibraryLocations {
                override_path: Some(root.join("own/libonnxruntime.so")),
                fishid_home: Some(root.join("home")),
                ..LibraryLocations::default()
            },
            Some("own/libonnxruntime.so"),
        );
    }

    #[test]
    fn an_override_that_points_nowhere_is_not_replaced_by_the_installed_library() {
        check(
            &["home/onnxruntime/1.24.1/libonnxruntime.so.1.24.1"],
            |root| LibraryLocations {
                override_path: Some(root.join("nowhere.so")),
                fishid_home: Some(root.join("home")),
                ..LibraryLocations::default()
            },
            None,
        );
    }

    #[test]
    fn the_default_home_is_searched_after_fishid_home() {
        check(
            &["user/.local/share/fishid/onnxruntime/1.24.1/libonnxruntime.so.1.24.1"],
            |root| LibraryLocations {
                fishid_home: Some(root.join("home")),
                user_home: Some(root.join("user")),
                ..LibraryLocations::default()
            },
            Some("user/.local/share/fishid/onnxruntime/1.24.1/libonnxruntime.so.1.24.1"),
        );
    }

    #[test]
    fn of_several_versions_beside_the_executable_the_newest_is_taken() {
        check(
            &[
                "bin/libonnxruntime.so.1.9.0",
                "bin/libonnxruntime.so.1.32.0",
            ],
            |root| LibraryLocations {
                executable_folder: Some(root.join("bin")),
                ..LibraryLocations::default()
            },
            Some("bin/libonnxruntime.so.1.32.0"),
        );
    }

    #[test]
    fn a_missing_library_names_every_place_and_the_remedy() {
        let locations = LibraryLocations {
            fishid_home: Some(PathBuf::from("/nowhere/home")),
            executable_folder: Some(PathBuf::from("/nowhere/bin")),
            ..LibraryLocations::default()
        };
        let message = locations.locate().unwrap_err().to_string();
        for part in [
            "/nowhere/home/onnxruntime/1.24.1",
            "/nowhere/bin",
            "make setup",
            "ORT_DYLIB_PATH",
        ] {
            assert!(message.contains(part), "`{message}` lacks `{part}`");
        }
    }
}
