//! A folder or an S3 prefix of any size → one table, with nothing lost when the run is killed.
//!
//! [`score`] answers photographs as they are listed, in memory that does not grow with their number. A [`Run`] keeps
//! every answer in a journal beside the table-to-be, skips on the next start what is in it, and makes the table of it
//! at the end. Does not know progress bars, signals or which files are photographs.

mod journal;
mod output;
mod row;
mod run;
mod stream;
mod table;

pub use journal::Finished;
pub use output::{Format, Output, OutputError};
pub use row::{Refusal, Row};
pub use run::{Run, RunError, RunIdentity};
pub use stream::{Photograph, ScoreError, Scored, Scores, Threads, score};
pub use table::to_batch;
