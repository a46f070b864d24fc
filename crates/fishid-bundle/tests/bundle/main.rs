//! The bundle format from outside: what is written, what is refused, what every byte is.
#![allow(clippy::unwrap_used)]

mod digests;
mod format;
mod parts;
mod tampering;
mod writing;
