//! Exit statuses: 0 done, 1 failed, 2 the input is not acceptable, 64 wrong usage; 3 is for what a flag asked to be told by the
//! status.

use std::fmt;
use std::process::ExitCode;

/// How a command ended when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Done,
    /// The input was looked at and is not acceptable; what is wrong has been printed.
    BadInput,
    /// Done, and what was compared differs, which was asked to be told by the status.
    Differs,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        match status {
            Status::Done => Self::SUCCESS,
            Status::BadInput => Self::from(2),
            Status::Differs => Self::from(3),
        }
    }
}

/// An error whose cause is what the user handed in.
#[derive(Debug)]
pub struct InputError(pub String);

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InputError {}

/// Marks errors as the input's fault.
pub trait BlameInput<T> {
    /// Turns the error into one that ends with status 2.
    fn blame_input(self) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> BlameInput<T> for Result<T, E> {
    fn blame_input(self) -> anyhow::Result<T> {
        self.map_err(|error| {
            let error: anyhow::Error = error.into();
            anyhow::Error::new(InputError(in_one_line(&error)))
        })
    }
}

/// The error and its causes; a cause that a text above it already quotes is not said twice.
pub fn in_one_line(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Prints an error for a person and gives the status.
pub fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {}", in_one_line(error));
    if error
        .chain()
        .any(<dyn std::error::Error + 'static>::is::<InputError>)
    {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}

/// Prints what clap says: help and version are not errors, everything else is wrong usage.
pub fn usage(error: &clap::Error) -> ExitCode {
    // A closed pipe (`fishid --help | head -1`) is nobody's error.
    let _ = error.print();
    if error.use_stderr() {
        ExitCode::from(64)
    } else {
        ExitCode::SUCCESS
    }
}
