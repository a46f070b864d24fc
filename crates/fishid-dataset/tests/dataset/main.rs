//! Data sets as people have them: checked, split, imported, read from S3.
#![allow(clippy::unwrap_used)]

mod checking;
mod fishcam;
mod importing;
mod locking;
mod s3;
mod splitting;
mod support;
