//! Files in a folder or under an S3 prefix, behind one blocking face.
//!
//! Owns where bytes lie, how they are carried there and back, retried and verified, and what went wrong in
//! words a person can act on. Does not know what the bytes mean: no photographs, no models. It has its own
//! small runtime, so it may be called from any thread, inside another runtime too (it blocks that thread).
//! Start reading at [`Storage::open`]; settings of S3 are in `s3`.

mod error;
mod mirror;
mod runtime;
mod s3;
mod storage;

pub use error::StorageError;
pub use mirror::{Mirrored, fetch_all, mirror};
pub use s3::{S3Fault, S3Problem};
pub use storage::{
    Listed, Listing, Stat, Storage, Stored, Take, Walk, Walked, is_hidden, sha256_of_file,
};
