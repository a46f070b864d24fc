//! What the candidate costs: bytes to keep and load, time to answer.

use super::GateLimits;
use super::evidence::LatencyRounds;
use super::finding::{Criterion, Finding, Outcome};
use super::words::megabytes;

/// Growth of a bundle that no limit counts: its report and golden photographs differ from run to run.
const FREE_GROWTH: f64 = 4.0 * 1024.0 * 1024.0;

/// With fewer rounds even all of them on one side are no interval: 2 · 2⁻⁵ is above 5 %.
const LEAST_ROUNDS: usize = 6;

impl LatencyRounds {
    /// Whether these rounds alone would refuse the candidate.
    pub fn are_refused_by(&self, limits: &GateLimits) -> bool {
        latency(&Ok(self.clone()), limits).outcome == Outcome::Refused
    }
}

pub(super) fn size(candidate: u64, champion: Option<u64>, limits: &GateLimits) -> Finding {
    let bytes = candidate as f64;
    let most = (limits.max_bundle_mib * (1 << 20)) as f64;
    let mut numbers = vec![("candidate", bytes), ("largest", most)];
    if bytes > most {
        let sentence = format!(
            "The bundle has {}, and at most {} are allowed.",
            megabytes(bytes),
            megabytes(most)
        );
        return Finding::new(Criterion::Size, Outcome::Refused, sentence, &numbers);
    }
    let Some(champion) = champion.map(|bytes| bytes as f64) else {
        let sentence = format!(
            "The bundle has {}, within the {} allowed.",
            megabytes(bytes),
            megabytes(most)
        );
        return Finding::new(Criterion::Size, Outcome::Passed, sentence, &numbers);
    };
    let limit = limits.max_size_ratio;
    let ratio = bytes / champion.max(1.0);
    numbers.extend([("champion", champion), ("ratio", ratio), ("limit", limit)]);
    let is_too_large = ratio > limit && bytes - champion > FREE_GROWTH;
    let (outcome, judgement) = if is_too_large {
        (Outcome::Refused, "more than the limit of")
    } else if ratio > limit {
        (
            Outcome::Passed,
            "growth below 4 MiB is free of the limit of",
        )
    } else {
        (Outcome::Passed, "within the limit of")
    };
    let sentence = format!(
        "The bundle has {} against the champion's {}: {ratio:.2} times, {judgement} {limit} times.",
        megabytes(bytes),
        megabytes(champion)
    );
    Finding::new(Criterion::Size, outcome, sentence, &numbers)
}

/// Judged by the ratio of each round, of which only the interval decides. What slows the machine down for a while
/// slows both halves of a pair; what luck a model had with the memory it was loaded into lasts for a round. The
/// interval of a median by order statistics assumes nothing about the times (Conover, Practical Nonparametric
/// Statistics, 1999, section 3.2); of six rounds it spans from the smallest to the largest.
pub(super) fn latency(timed: &Result<LatencyRounds, String>, limits: &GateLimits) -> Finding {
    let timed = match timed {
        Ok(timed) => timed,
        Err(reason) => return Finding::not_measured(Criterion::Latency, format!("{reason}.")),
    };
    let is_usable = |pair: &(f64, f64)| pair.0 > 0.0 && pair.1 > 0.0;
    let rounds: Vec<Vec<(f64, f64)>> = timed
        .rounds
        .iter()
        .map(|round| round.iter().copied().filter(is_usable).collect())
        .filter(|round: &Vec<_>| !round.is_empty())
        .collect();
    let n = rounds.len();
    if n < LEAST_ROUNDS {
        let sentence = format!(
            "Latency: both models were timed in {n} rounds, and {LEAST_ROUNDS} are needed."
        );
        return Finding::not_measured(Criterion::Latency, sentence);
    }
    let n_pairs: usize = rounds.iter().map(Vec::len).sum();
    let candidate = median(rounds.iter().flatten().map(|pair| pair.0));
    let champion = median(rounds.iter().flatten().map(|pair| pair.1));
    let mut ratios: Vec<f64> = rounds
        .iter()
        .map(|round| median(round.iter().map(|(a, b)| a / b)))
        .collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = median(ratios.iter().copied());
    let skipped = order_statistic(n);
    let (low, high) = (ratios[skipped], ratios[n - 1 - skipped]);
    let limit = limits.max_latency_ratio;
    let (outcome, judgement) = if low > limit {
        (
            Outcome::Refused,
            format!("slower than the limit of {limit} times, whatever the noise"),
        )
    } else if ratio > limit {
        let text = format!(
            "above the limit of {limit} times, though the machine may be too noisy to tell"
        );
        (Outcome::Warning, text)
    } else {
        (
            Outcome::Passed,
            format!("within the limit of {limit} times"),
        )
    };
    let sentence = format!(
        "A photograph takes {candidate:.1} ms against the champion's {champion:.1} ms (medians of {n_pairs} answers, measured here in turns in {n} rounds): {ratio:.2} times (95 % between {low:.2} and {high:.2}), {judgement}."
    );
    let numbers = [
        ("candidate", candidate),
        ("champion", champion),
        ("ratio", ratio),
        ("low", low),
        ("high", high),
        ("limit", limit),
        ("n_rounds", n as f64),
        ("n_pairs", n_pairs as f64),
    ];
    Finding::new(Criterion::Latency, outcome, sentence, &numbers)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let n = values.len();
    match n {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => 0.5 * (values[n / 2 - 1] + values[n / 2]),
    }
}

/// How many sorted values may be left out at each end so that the median lies between the next ones with 95 %:
/// the largest k with P(Binomial(n, ½) ≤ k) ≤ 0.025, counted as k + 1 values of which the last is the end.
fn order_statistic(n: usize) -> usize {
    let mut probability = 0.5_f64.powi(n as i32);
    let mut below = probability;
    let mut k = 0;
    while k + 1 < n / 2 {
        probability *= (n - k) as f64 / (k + 1) as f64;
        if below + probability > 0.025 {
            break;
        }
        below += probability;
        k += 1;
    }
    k
}

#[cfg(test)]
mod tests {
    use super::order_statistic;

    #[test]
    fn the_interval_of_a_median_has_the_ends_of_the_tables() {
        // 1-based ranks of the lower end: n = 6: 1, 10: 2, 20: 6, 40: 14.
        for (n, rank) in [(6, 1), (10, 2), (20, 6), (40, 14)] {
            assert_eq!(order_statistic(n) + 1, rank, "{n}");
        }
    }
}
