//! The fishid command: parses, wires the rooms together, prints. Algorithms live in the crates below.
//! Start at `cli` for what can be typed and at `commands` for what each command wires; [`job`] is the same wiring
//! for the Python wheel.
#![allow(clippy::print_stdout, reason = "printing results is this crate's job")]

mod admin_config;
mod backbone;
mod bundle_cache;
mod cli;
mod commands;
mod config;
mod exit;
mod home;
pub mod job;
mod last_served;
mod logs;
mod photographs;
mod preparation;
mod progress;
mod registry_source;
mod surroundings;
mod weights_hub;

use std::io::IsTerminal as _;

use clap::Parser as _;

pub use exit::{InputError, in_one_line};

/// Does what the arguments of this process say; 0 is done, 1 failed, 2 the input is not acceptable, 64 wrong usage.
pub fn run_command_line() -> ! {
    exit::now(status_of_command_line())
}

fn status_of_command_line() -> i32 {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::usage(&error),
    };
    let machine_reads = cli
        .command
        .logs_for_machines(std::io::stderr().is_terminal());
    let _logs = logs::init(cli.verbose, machine_reads);
    match commands::run(cli) {
        Ok(status) => status.into(),
        Err(error) => exit::report(&error),
    }
}
