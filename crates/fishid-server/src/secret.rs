//! Words that open a door: never printed, compared without telling by the time it takes how much was right.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Shorter ones can be guessed.
const LEAST_LENGTH: usize = 16;

/// A token or a shared secret.
#[derive(Clone)]
pub struct Secret(String);

/// Too short to be a secret. Does not say what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it has fewer than {LEAST_LENGTH} characters; make one with `openssl rand -hex 32`")]
pub struct TooShort;

impl Secret {
    /// White space around it, such as the end of a file's line, is no part of it.
    pub fn new(text: &str) -> Result<Self, TooShort> {
        let text = text.trim();
        if text.chars().count() < LEAST_LENGTH {
            return Err(TooShort);
        }
        Ok(Self(text.to_owned()))
    }

    /// Digests are compared, so that not even the length is told.
    pub(crate) fn is(&self, other: &[u8]) -> bool {
        let (own, other) = (Sha256::digest(&self.0), Sha256::digest(other));
        own.as_slice().ct_eq(other.as_slice()).into()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_secret_is_long_enough_and_never_printed() {
        let secret = Secret::new(" 0123456789abcdef\n").unwrap();
        assert!(secret.is(b"0123456789abcdef"));
        for other in [
            "",
            "0123456789abcde",
            "0123456789abcdeF",
            "0123456789abcdef0",
        ] {
            assert!(!secret.is(other.as_bytes()), "{other}");
        }
        assert!(!format!("{secret:?}").contains("0123"));
        assert_eq!(Secret::new("0123456789abcde    ").unwrap_err(), TooShort);
    }
}
