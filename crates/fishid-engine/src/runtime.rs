//! The one ONNX Runtime of the process: loaded once, its failure kept as data, never a panic.
//!
//! Knows the library's version and identity; sessions are `model`'s, their options `provider`'s.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::LoadDynamicError;
use ort::environment::Environment;
use ort::logging::LogLevel;

use crate::{EngineError, locate_library};

static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);

/// The ONNX Runtime library in use. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    path: PathBuf,
    build: Arc<str>,
    environment: Environment,
}

impl Runtime {
    /// The runtime of this process; loads the located library on the first call.
    ///
    /// # Errors
    /// Missing, too old or broken library. A failed load is tried again on the next call.
    pub fn current() -> Result<Self, EngineError> {
        let mut loaded = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*loaded {
            return Ok(runtime.clone());
        }
        let runtime = load(&locate_library()?)?;
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// The library file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The library's statement about its build: branch, commit, compiler flags.
    pub fn build(&self) -> &str {
        &self.build
    }

    /// The library's version when its build statement names a release, else the commit it was built from.
    pub fn version(&self) -> &str {
        let field = |name: &str| {
            let start = self.build.find(name)? + name.len();
            let rest = &self.build[start..];
            Some(rest.split([',', ' ']).next().unwrap_or(rest))
        };
        let release = field("git-branch=rel-").or_else(|| field("git-branch="));
        release
            .filter(|text| !text.is_empty())
            .or_else(|| field("git-commit-id="))
            .unwrap_or("unknown")
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }
}

/// Loads this library for the process instead of the located one.
///
/// # Errors
/// The library is missing, too old or broken, or another one is loaded already.
pub fn use_library(path: &Path) -> Result<Runtime, EngineError> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut loaded = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = &*loaded {
        if runtime.path == path {
            return Ok(runtime.clone());
        }
        return Err(EngineError::LibraryAlreadyLoaded {
            loaded: runtime.path.clone(),
            wanted: path,
        });
    }
    if !path.is_file() {
        return Err(EngineError::LibraryMissing {
            searched: vec![path],
        });
    }
    let runtime = load(&path)?;
    *loaded = Some(runtime.clone());
    Ok(runtime)
}

fn load(path: &Path) -> Result<Runtime, EngineError> {
    let broken = |reason: String| EngineError::LibraryBroken {
        path: path.to_path_buf(),
        reason,
    };
    let builder = ort::init_from(path).map_err(|error| match error {
        LoadDynamicError::BadVersion { version_str, .. } => EngineError::LibraryTooOld {
            path: path.to_path_buf(),
            found: version_str,
            needed: format!("1.{}", ort::MINOR_VERSION),
        },
        LoadDynamicError::MissingApi { .. } => {
            broken("it does not export OrtGetApiBase, so it is not ONNX Runtime".to_owned())
        }
        LoadDynamicError::Dlopen { error, .. } => broken(error.to_string()),
        other @ LoadDynamicError::InvalidVersionString => broken(other.to_string()),
    })?;
    let builder = builder
        .with_name("fishid")
        .with_telemetry(false)
        .with_logger(Arc::new(log));
    let environment = builder.build().map_err(|error| broken(error.to_string()))?;
    environment.set_log_level(LogLevel::Warning);
    let runtime = Runtime {
        path: path.to_path_buf(),
        build: ort::info().into(),
        environment,
    };
    tracing::debug!(path = %path.display(), version = runtime.version(), "onnx runtime loaded");
    Ok(runtime)
}

/// ONNX Runtime's own log. Its warnings are remarks about optimisation, so they go one level down;
/// what fails comes back as an error of the call as well.
fn log(level: LogLevel, category: &str, _id: &str, location: &str, message: &str) {
    match level {
        LogLevel::Error | LogLevel::Fatal => {
            tracing::warn!(category, location, message, "onnx runtime error");
        }
        _ => tracing::debug!(category, location, message, "onnx runtime remark"),
    }
}
