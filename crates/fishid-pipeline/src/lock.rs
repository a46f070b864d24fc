//! One run at a time over one state folder: two would write the same bundles.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use crate::PipelineError;
use crate::steps::Watcher;

/// Takes the lock of the state folder, waiting for a run that has it. The system releases it when the
/// process ends, however it ends.
pub(crate) fn take(state: &Path, watcher: &mut dyn Watcher) -> Result<File, PipelineError> {
    let path = state.join("lock");
    let fail = |source| PipelineError::Io {
        path: path.clone(),
        source,
    };
    fs::create_dir_all(state).map_err(fail)?;
    let file = File::create(&path).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            watcher.step("waiting for another run to end", false);
            file.lock().map_err(fail)?;
        }
        Err(TryLockError::Error(source)) => return Err(fail(source)),
    }
    Ok(file)
}
