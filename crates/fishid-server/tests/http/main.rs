//! The server over real TCP, with a tiny model in the real engine.
#![allow(clippy::unwrap_used)]

mod admin;
mod harness;
mod life;
mod overload;
mod page;
mod predict;
mod problems;
mod raw;
