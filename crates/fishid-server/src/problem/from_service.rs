//! Which problem a client meets for each error of the service.

use std::time::Duration;

use fishid_image::PhotoError;
use fishid_prediction::PredictError;
use fishid_serving::ServeError;

use super::{Kind, Problem};

/// A first model usually comes within the next look at the registry.
const RETRY_WITHOUT_MODEL: Duration = Duration::from_secs(5);
/// Another instance takes over at once; this one will not come back.
const RETRY_WHEN_ENDING: Duration = Duration::from_secs(1);

impl From<ServeError<PredictError>> for Problem {
    fn from(error: ServeError<PredictError>) -> Self {
        match error {
            ServeError::QueueFull { retry_after, .. } => Self::overloaded(retry_after),
            ServeError::OutOfReach {
                deadline,
                expected,
                retry_after,
            } => {
                let detail = format!(
                    "An answer would take about {} ms now and {} ms are left; try again in a moment, or \
                     allow more.",
                    expected.as_millis(),
                    deadline.as_millis()
                );
                Self::new(Kind::Overloaded, detail).retry_after(retry_after)
            }
            ServeError::DeadlineExceeded { deadline } => {
                let seconds = deadline.as_millis() as f64 / 1e3;
                let detail = format!(
                    "The photograph could not be answered within {seconds} s; try again in a moment."
                );
                Self::new(Kind::DeadlineExceeded, detail)
            }
            ServeError::NoModel => Self::no_model(),
            ServeError::Draining => Self::shutting_down(),
            ServeError::Refused(error) => match error.as_ref() {
                PredictError::Photo(photo) => Self::from(photo),
                other => Self::internal(other.to_string()),
            },
            ServeError::Failed(error) => Self::internal(error.to_string()),
            ServeError::Panicked { .. } => Self::internal(error.to_string()),
        }
    }
}

impl From<&PhotoError> for Problem {
    fn from(error: &PhotoError) -> Self {
        let kind = match error {
            PhotoError::NotAPhotograph => Kind::NotAPhotograph,
            PhotoError::Empty | PhotoError::Broken { .. } => Kind::BrokenPhotograph,
            PhotoError::TooManyPixels { .. } => Kind::TooManyPixels,
            PhotoError::TooSmall { .. } => Kind::TooSmall,
        };
        if let PhotoError::Broken { reason } = error {
            // The reason is a decoder's, in its own words.
            let detail = "The photograph is damaged or not whole: save or send it again.";
            return Self::new(kind, detail).logged(reason);
        }
        Self::new(kind, sentence(&error.to_string()))
    }
}

impl Problem {
    pub(crate) fn overloaded(retry_after: Duration) -> Self {
        let detail =
            "The server has more photographs than it can answer now; try again in a moment.";
        Self::new(Kind::Overloaded, detail).retry_after(retry_after)
    }

    pub(crate) fn no_model() -> Self {
        let detail = "No model is loaded yet; publish and promote one, or try again in a moment.";
        Self::new(Kind::NoModel, detail).retry_after(RETRY_WITHOUT_MODEL)
    }

    pub(crate) fn shutting_down() -> Self {
        let detail = "This server is shutting down; send the request again.";
        Self::new(Kind::ShuttingDown, detail).retry_after(RETRY_WHEN_ENDING)
    }
}

/// Libraries' messages begin small and end open; a client reads a sentence.
fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let Some(first) = letters.next() else {
        return String::new();
    };
    let mut sentence: String = first.to_uppercase().chain(letters).collect();
    if !sentence.ends_with('.') {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[track_caller]
    fn check(error: ServeError<PredictError>, kind: Kind, status: u16) {
        let problem = Problem::from(error);
        assert_eq!(
            (problem.kind(), problem.kind().status().as_u16()),
            (kind, status)
        );
        assert!(problem.detail().ends_with('.'), "{}", problem.detail());
    }

    fn refused(error: PhotoError) -> ServeError<PredictError> {
        ServeError::Refused(Arc::new(error.into()))
    }

    #[test]
    fn every_error_of_the_service_has_its_status() {
        let second = Duration::from_secs(1);
        check(
            ServeError::QueueFull {
                accepted: 1,
                retry_after: second,
            },
            Kind::Overloaded,
            503,
        );
        check(
            ServeError::OutOfReach {
                deadline: second,
                expected: second,
                retry_after: second,
            },
            Kind::Overloaded,
            503,
        );
        check(
            ServeError::DeadlineExceeded { deadline: second },
            Kind::DeadlineExceeded,
            504,
        );
        check(ServeError::NoModel, Kind::NoModel, 503);
        check(ServeError::Draining, Kind::ShuttingDown, 503);
        check(refused(PhotoError::Empty), Kind::BrokenPhotograph, 422);
        check(
            refused(PhotoError::NotAPhotograph),
            Kind::NotAPhotograph,
            415,
        );
        let small = PhotoError::TooSmall {
            width: 1,
            height: 1,
            min_side: 16,
        };
        check(refused(small), Kind::TooSmall, 422);
        let huge = PhotoError::TooManyPixels {
            width: 9,
            height: 9,
            limit: 50,
        };
        check(refused(huge), Kind::TooManyPixels, 422);
        let broken = PhotoError::Broken {
            reason: "it ends".to_owned(),
        };
        check(refused(broken), Kind::BrokenPhotograph, 422);
    }

    #[test]
    fn a_decoders_own_words_go_to_the_log() {
        let broken = PhotoError::Broken {
            reason: "CRC error: expected 0x0 in IDAT".to_owned(),
        };
        let problem = Problem::from(refused(broken));
        assert!(!problem.detail().contains("CRC"), "{}", problem.detail());
        assert!(problem.log().is_some_and(|log| log.contains("CRC")));
    }

    #[test]
    fn what_went_wrong_inside_stays_inside() {
        let error = PredictError::BadOutput {
            reason: "NaN at node 7".to_owned(),
        };
        let problem = Problem::from(ServeError::Failed(Arc::new(error)));
        assert_eq!(problem.kind(), Kind::Internal);
        assert!(!problem.detail().contains("node 7"), "{}", problem.detail());
        assert!(problem.log().is_some_and(|log| log.contains("node 7")));
    }
}
