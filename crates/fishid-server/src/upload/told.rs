//! What a client is told whose photographs cannot be taken: of one photograph and of a batch, in the words of either.

use super::body::Ended;
use super::{Expected, Upload};
use crate::problem::{Kind, Problem};

impl Upload {
    /// The body ended before its end.
    pub(super) fn ended_early(&self, ended: Ended) -> Problem {
        match (ended, self.expected) {
            (Ended::TimedOut, Expected::Photograph) => Problem::new(
                Kind::UploadTimeout,
                "The photograph did not arrive in time; send it again over a better connection.",
            ),
            (Ended::TimedOut, Expected::Batch { .. }) => Problem::new(
                Kind::UploadTimeout,
                "The photographs did not arrive in time; send fewer at once, or over a better connection.",
            ),
            (Ended::TooMuch, Expected::Photograph) => self.too_large(),
            (Ended::TooMuch, Expected::Batch { max_photos }) => {
                let each = self.max_photo_bytes >> 20;
                let detail = format!(
                    "The batch is larger than {max_photos} photographs of {each} MB; send it in several requests."
                );
                Problem::new(Kind::TooLarge, detail)
            }
            (Ended::Cut, Expected::Photograph) => Problem::new(
                Kind::BrokenForm,
                "The request ended before the photograph was whole; send it again.",
            ),
            (Ended::Cut, Expected::Batch { .. }) => Problem::new(
                Kind::BrokenForm,
                "The request ended before the batch was whole; send it again.",
            ),
        }
    }

    /// One photograph has too many bytes.
    pub(super) fn too_large(&self) -> Problem {
        let limit = self.max_photo_bytes as f64 / f64::from(1 << 20);
        let detail = format!("The photograph is larger than {limit} MB; send a smaller one.");
        Problem::new(Kind::TooLarge, detail)
    }
}

impl Expected {
    pub(super) fn nothing_in_it(self) -> Problem {
        let detail = match self {
            Self::Photograph => {
                "The request has no photograph; send one as the field `file` of a form, or as the body with its \
                 image/* type."
            }
            Self::Batch { .. } => {
                "The request has no photographs; send each as a field `file` of one form."
            }
        };
        Problem::new(Kind::NoPhotograph, detail)
    }

    pub(super) fn of_another_type(self) -> Problem {
        let detail = match self {
            Self::Photograph => {
                "Send the photograph as the field `file` of a multipart/form-data form, or as the body \
                 with its image/* type."
            }
            Self::Batch { .. } => {
                "Send the photographs as fields `file` of one multipart/form-data form."
            }
        };
        Problem::new(Kind::UnsupportedMediaType, detail)
    }

    pub(super) fn broken_form(self) -> Problem {
        let detail = match self {
            Self::Photograph => {
                "The form cannot be read; send multipart/form-data with a boundary and one field `file`."
            }
            Self::Batch { .. } => {
                "The form cannot be read; send multipart/form-data with a boundary and a field `file` for each \
                 photograph."
            }
        };
        Problem::new(Kind::BrokenForm, detail)
    }
}
