//! The content of one photograph of many, and its answer: what goes wrong with it is its own error.

use std::fs::{self, File};
use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::{PredictError, Prediction, Predictor};

/// Bytes a file may have. The largest photographs of cameras are a fifth of it, and every thread holds one.
const MAX_BYTES: u64 = 256 << 20;

/// The content of a regular file of a photograph's size. Devices and pipes are not even opened: a pipe
/// without a writer never comes back from that.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, PredictError> {
    let unreadable = |source| PredictError::Read {
        path: path.to_owned(),
        source,
    };
    let too_large = || PredictError::TooLarge {
        path: path.to_owned(),
        limit: MAX_BYTES,
    };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(PredictError::NotAFile {
            path: path.to_owned(),
        });
    }
    if metadata.len() > MAX_BYTES {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    // A file may grow while it is read, and those of /proc do not tell their size.
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_large());
    }
    Ok(bytes)
}

/// The answer to one photograph; a panic on the way is its error, and the next one is not concerned.
pub(crate) fn predict_contained(
    predictor: &Predictor,
    bytes: &[u8],
) -> Result<Prediction, PredictError> {
    catch_unwind(AssertUnwindSafe(|| predictor.predict(bytes))).unwrap_or_else(|payload| {
        let message = payload
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        Err(PredictError::Panicked { message })
    })
}
