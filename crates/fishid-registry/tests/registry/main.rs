//! The folder implementations from outside: the suite, what only folders promise, kills.
#![allow(clippy::unwrap_used)]

mod crashes;
mod damage;
mod folder;
mod publishers;
mod tracker;
mod worker;
