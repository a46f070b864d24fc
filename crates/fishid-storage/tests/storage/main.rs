//! Files carried to and from a folder and a real S3 server, with faults in between.
#![allow(clippy::unwrap_used)]

mod faults;
mod folder;
mod large;
mod mirroring;
mod refusals;
mod round_trip;
mod support;
mod walking;
mod yandex;
