//! The orientation out of EXIF data.

use std::panic::{AssertUnwindSafe, catch_unwind};

use exif::{In, Reader, Tag};

use crate::Orientation;

/// The tag lies in the first directory at the front; what follows can be megabytes of maker's notes and
/// previews that nobody here reads.
const MAX_BYTES: usize = 256 * 1024;

/// The orientation in a TIFF structure, `None` where there is none or it cannot be read. A tag that was
/// read counts even if another one is broken.
pub(super) fn orientation(tiff: &[u8]) -> Option<Orientation> {
    let tiff = tiff[..tiff.len().min(MAX_BYTES)].to_vec();
    // The parser is a stranger's code over a stranger's bytes: what it cannot bear is a broken EXIF.
    let parsed = catch_unwind(AssertUnwindSafe(|| {
        Reader::new()
            .continue_on_error(true)
            .read_raw(tiff)
            .or_else(|error| error.distill_partial_result(|_| ()))
            .ok()
            .and_then(|exif| {
                exif.get_field(Tag::Orientation, In::PRIMARY)?
                    .value
                    .get_uint(0)
            })
    }));
    Orientation::from_exif(parsed.ok().flatten()?)
}
