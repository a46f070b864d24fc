//! Exit statuses: 0 done, 1 failed, 2 the input is not acceptable, 64 wrong usage; 3 is for what a flag asked to be told by the
//! status.

use std::fmt;
use std::io::Write as _;

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

impl From<Status> for i32 {
    fn from(status: Status) -> Self {
        match status {
            Status::Done => 0,
            Status::BadInput => 2,
            Status::Differs => 3,
        }
    }
}

/// Ends the process without the destructors of the libraries in it: threads may still be in the engine, from under
/// which they would take what it stands on.
pub fn now(status: i32) -> ! {
    // Who has gone away reads no more.
    let _ = std::io::stdout().flush();
    signal_hook::low_level::exit(status)
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
pub fn report(error: &anyhow::Error) -> i32 {
    eprintln!("error: {}", in_one_line(error));
    if error
        .chain()
        .any(<dyn std::error::Error + 'static>::is::<InputError>)
    {
        2
    } else {
        1
    }
}

/// Prints what clap says: help and version are not errors, everything else is wrong usage.
pub fn usage(error: &clap::Error) -> i32 {
    // A closed pipe (`fishid --help | head -1`) is nobody's error.
    let _ = error.print();
    if error.use_stderr() { 64 } else { 0 }
}
