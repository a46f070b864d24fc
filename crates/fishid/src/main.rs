//! The fishid command: parses, wires the rooms together, prints. Algorithms live in the crates below.
//! Start at [`cli::Cli`] for what can be typed and at `commands` for what each command wires.
#![allow(clippy::print_stdout, reason = "printing results is this crate's job")]

mod admin_config;
mod backbone;
mod bundle_cache;
mod cli;
mod commands;
mod config;
mod exit;
mod home;
mod last_served;
mod logs;
mod photographs;
mod progress;
mod registry_source;
mod surroundings;
mod weights_hub;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;

/// The memory of a replaced model goes back to the system, which glibc's allocator does only now and then: most of it
/// is ONNX Runtime's, which the symbol `malloc` of this program serves as well. Measured in docs/RELIABILITY.md.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
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
