//! What `fishid-image` promises about bytes that came from outside, one topic to a file.
#![allow(clippy::unwrap_used)]

mod arbitrary_bytes;
mod augmentation;
mod containers;
mod decoding;
mod golden;
mod pictures;
mod preprocessing;
mod refusals;
