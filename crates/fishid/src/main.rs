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
    init_logs(
        cli.verbose,
        cli.command
            .logs_for_machines(std::io::stderr().is_terminal()),
    );
    match commands::run(cli) {
        Ok(status) => status.into(),
        Err(error) => exit::report(&error),
    }
}

/// Logs go to standard error: one JSON object a line from a server, short text from the other commands.
fn init_logs(verbose: bool, server: bool) {
    use tracing_subscriber::EnvFilter;
    let default = match (verbose, server) {
        (true, _) => "info,fishid=debug",
        (false, true) => "info",
        (false, false) => "warn",
    };
    let filter = EnvFilter::try_from_env("FISHID_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    if server {
        logs.json().flatten_event(true).init();
    } else {
        logs.without_time().with_target(false).init();
    }
}
