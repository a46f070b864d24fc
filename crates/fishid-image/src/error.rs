//! Why bytes did not become a photograph, in words for the person who sent them.

/// What is wrong with a photograph. Every message can be shown to a stranger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PhotoError {
    /// Not one byte.
    #[error("the file is empty: send a photograph")]
    Empty,
    /// The first bytes are of no format we read.
    #[error("this is not a photograph we can read: send a JPEG, PNG or WebP")]
    NotAPhotograph,
    /// The format is right, the contents are not.
    #[error("the photograph is damaged ({reason}): save or send it again")]
    Broken {
        /// What the decoder met.
        reason: String,
    },
    /// More pixels than the limit, known from the header.
    #[error(
        "the photograph has {width} × {height} pixels, more than the limit of {}: make it smaller",
        in_millions(*.limit)
    )]
    TooManyPixels {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Most pixels accepted.
        limit: u64,
    },
    /// A side shorter than the limit.
    #[error(
        "the photograph has {width} × {height} pixels, but each side needs at least {min_side}: send a larger one"
    )]
    TooSmall {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Shortest side accepted.
        min_side: u32,
    },
}

impl PhotoError {
    /// A stable word for metrics and reports: `empty`, `not_a_photograph`, `broken`, `too_many_pixels`, `too_small`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotAPhotograph => "not_a_photograph",
            Self::Broken { .. } => "broken",
            Self::TooManyPixels { .. } => "too_many_pixels",
            Self::TooSmall { .. } => "too_small",
        }
    }

    pub(crate) fn broken(reason: impl Into<String>) -> Self {
        Self::Broken {
            reason: reason.into(),
        }
    }

    /// The file ends before its pixels do.
    pub(crate) fn cut_off() -> Self {
        Self::broken("the file ends too early")
    }
}

fn in_millions(pixels: u64) -> String {
    if pixels >= 1_000_000 && pixels.is_multiple_of(100_000) {
        format!("{} million", pixels as f64 / 1e6)
    } else {
        pixels.to_string()
    }
}
