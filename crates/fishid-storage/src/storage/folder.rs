//! A folder as a place.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

use crate::error::{StorageError, reason};

/// Opens a folder that exists: (its path, its store).
pub(super) fn open(location: &str) -> Result<(String, Arc<dyn ObjectStore>), StorageError> {
    let folder = location.strip_prefix("file://").unwrap_or(location);
    if folder.contains("://") {
        return Err(StorageError::UnknownScheme {
            location: location.to_owned(),
        });
    }
    let location = folder.to_owned();
    match std::fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Err(StorageError::NotAFolder { location }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(StorageError::Missing { location });
        }
        Err(error) => {
            return Err(StorageError::Read {
                path: location,
                reason: error.to_string(),
            });
        }
    }
    let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| StorageError::Read {
        path: location.clone(),
        reason: reason(&error),
    })?;
    Ok((location, Arc::new(store)))
}
