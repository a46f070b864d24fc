//! Whether photographs may be learned from. A few broken files among many must not stop a night's run; the
//! same picture under two labels must.

use fishid_dataset::{Dataset, Problem, ProblemKind};

/// A larger share of unusable photographs points at a fault of the source, not of single files.
const MAX_UNUSABLE_SHARE: f64 = 0.05;
/// Problems named in an error; `fishid data check` gives them all.
const N_NAMED: usize = 10;

/// Whether a photograph with this problem is simply left out.
pub fn is_left_out(kind: ProblemKind) -> bool {
    matches!(
        kind,
        ProblemKind::Unreadable | ProblemKind::TooSmall | ProblemKind::TooManyPixels
    )
}

/// The photographs of a data set are not acceptable.
#[derive(Debug, thiserror::Error)]
#[error(
    "the photographs are not acceptable; `fishid data check {location}` gives the whole list.{named}"
)]
pub struct NotAcceptable {
    location: String,
    named: String,
}

/// One line about the data set, or why it cannot be used.
pub(crate) fn judge(dataset: &Dataset, problems: &[Problem]) -> Result<String, NotAcceptable> {
    let n_photographs = dataset.photographs().len();
    let (left_out, others): (Vec<&Problem>, Vec<&Problem>) = problems
        .iter()
        .filter(|problem| problem.is_error())
        .partition(|problem| is_left_out(problem.kind));
    let too_many = left_out.len() as f64 > MAX_UNUSABLE_SHARE * n_photographs as f64;
    let blamed: Vec<&Problem> = if others.is_empty() && too_many {
        left_out.clone()
    } else {
        others
    };
    if blamed.is_empty() {
        let n_warnings = problems.len() - left_out.len();
        return Ok(format!(
            "{n_photographs} photographs of {} classes, {} unusable and left out, {n_warnings} warnings",
            dataset.classes().len(),
            left_out.len()
        ));
    }
    let mut named = String::new();
    for problem in blamed.iter().take(N_NAMED) {
        let twin = problem
            .other
            .as_ref()
            .map(|other| format!(" [{other}]"))
            .unwrap_or_default();
        named.push_str(&format!("\n  {}: {}{twin}", problem.path, problem.detail));
    }
    if blamed.len() > N_NAMED {
        named.push_str(&format!("\n  and {} more", blamed.len() - N_NAMED));
    }
    Err(NotAcceptable {
        location: dataset.location().to_owned(),
        named,
    })
}
