//! Latencies of a phase and what is told of them.

use serde::Serialize;

/// Latencies in milliseconds, in any order.
#[derive(Debug, Clone, Default)]
pub struct Latencies(Vec<f64>);

/// What is told of many latencies, all in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    /// How many there are.
    pub n: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 90 in 100 took no longer.
    pub p90: f64,
    /// 99 in 100 took no longer.
    pub p99: f64,
    /// The longest.
    pub max: f64,
    /// The quantiles 0, 0.01, … 1: the curve.
    pub curve: Vec<f64>,
}

impl Latencies {
    /// Adds one.
    pub fn push(&mut self, milliseconds: f64) {
        self.0.push(milliseconds);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Median, tail and curve; `None` when there are none. A quantile is the smallest value that so many do not
    /// exceed (the nearest rank), never one between two that were measured.
    pub fn tell(&self) -> Option<Told> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let last = n.checked_sub(1)?;
        let at = |share: f64| sorted[((share * n as f64).ceil() as usize).clamp(1, n) - 1];
        Some(Told {
            n,
            mean: sorted.iter().sum::<f64>() / n as f64,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: sorted[last],
            curve: (0..=100).map(|i| at(f64::from(i) / 100.0)).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn quantiles_are_latencies_that_were_measured() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.tell(), None);
        (1..=200).rev().for_each(|i| latencies.push(f64::from(i)));
        let told = latencies.tell().unwrap();
        assert_eq!(
            (told.n, told.p50, told.p90, told.p99, told.max),
            (200, 100.0, 180.0, 198.0, 200.0)
        );
        assert_eq!((told.curve[0], told.curve[100]), (1.0, 200.0));
    }
}
