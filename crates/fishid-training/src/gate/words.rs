//! Numbers as sentences have them.

use super::interval::Interval;

/// A difference with its sign; what rounds to nothing has none.
pub(super) fn signed(value: f64) -> String {
    let text = format!("{value:+.3}");
    if text == "-0.000" || text == "+0.000" {
        "±0.000".to_owned()
    } else {
        text
    }
}

/// The ends of a difference of shares, which cannot leave [−1, 1].
pub(super) fn ends(interval: Interval) -> [f64; 2] {
    interval.ends().map(|end| end.clamp(-1.0, 1.0))
}

pub(super) fn percent_interval(interval: Interval) -> String {
    let [low, high] = ends(interval);
    format!("95 % between {} and {}", signed(low), signed(high))
}

/// `1 class`, `2 classes`.
pub(super) fn counted(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// Bytes as people say them.
pub(super) fn megabytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / f64::from(1 << 20))
}
