//! The decision as a page for people, in Markdown: what was decided, why, what to do, every criterion.

use super::finding::{Criterion, Finding, Outcome};
use super::verdict::{Decision, Verdict};

/// What the page says beside the verdict.
#[derive(Debug, Clone, Copy)]
pub struct GatePage<'a> {
    /// Name of the model.
    pub model: &'a str,
    /// The candidate's version, once it has one.
    pub version: Option<&'a str>,
    /// The run that decided.
    pub run: &'a str,
    /// When, for people.
    pub decided_at: &'a str,
    /// Why the version stays out of production though the gate says nothing against it.
    pub held_back: Option<&'a str>,
    /// Whether the version is in production after the run.
    pub is_in_production: bool,
    /// The command that promotes the version by hand, without `--force` and `--why`.
    pub promote: Option<&'a str>,
}

/// The decision in Markdown.
pub fn gate_page(verdict: &Verdict, page: &GatePage<'_>) -> String {
    let candidate = match page.version {
        Some(version) => format!("{} version {version}", page.model),
        None => format!("The new {}", page.model),
    };
    let against = match &verdict.champion {
        Some(version) => format!("against version {version} in production"),
        None => "with no model to be compared with".to_owned(),
    };
    let mut text = format!(
        "# {candidate} {against}: {}\n\nDecided at {} by run {}.\n\n",
        headline(verdict, page),
        page.decided_at,
        page.run
    );
    for reason in verdict
        .reasons
        .iter()
        .map(String::as_str)
        .chain(page.held_back)
    {
        text.push_str(&format!("- {reason}\n"));
    }
    text.push_str(&what_to_do(verdict, page));
    text.push_str("\n## Criteria\n\n| criterion | outcome | candidate | champion | difference (95 %) | limit |\n|---|---|---|---|---|---|\n");
    for finding in &verdict.findings {
        text.push_str(&row(finding));
    }
    text.push_str("\n## In words\n\n");
    for finding in &verdict.findings {
        text.push_str(&format!(
            "- **{}**, {}: {}\n",
            name(finding),
            finding.outcome.in_words(),
            finding.sentence
        ));
    }
    text
}

fn headline(verdict: &Verdict, page: &GatePage<'_>) -> &'static str {
    match (verdict.decision, page.held_back) {
        (Decision::Accept, Some(_)) => "held back",
        (Decision::Accept, None) => "passed",
        (Decision::Reject, _) => "refused",
        (Decision::NotComparable, _) => "not comparable, a person decides",
    }
}

fn what_to_do(verdict: &Verdict, page: &GatePage<'_>) -> String {
    if page.is_in_production {
        return "\nIt is in production.\n".to_owned();
    }
    let Some(promote) = page.promote else {
        return String::new();
    };
    match (verdict.decision, page.held_back) {
        (Decision::Accept, None) => String::new(),
        (Decision::Accept | Decision::NotComparable, _) => format!(
            "\nIt is registered and not in production. To promote it by hand:\n\n    {promote} --why \"…\"\n"
        ),
        (Decision::Reject, _) => format!(
            "\nIt is registered and not in production. To promote it all the same, on record with your name and reason:\n\n    {promote} --force --why \"…\"\n"
        ),
    }
}

fn name(finding: &Finding) -> String {
    match &finding.class {
        Some(class) => format!("recall of {class}"),
        None => finding.criterion.in_words().to_owned(),
    }
}

fn row(finding: &Finding) -> String {
    let cell = |key: &str| {
        let value = finding.numbers.get(key).copied();
        value.map_or(String::new(), |value| in_units(finding.criterion, value))
    };
    let outcome = match finding.outcome {
        Outcome::Refused => "**refused**",
        other => other.in_words(),
    };
    let mut difference = ["difference", "ratio"]
        .iter()
        .find_map(|key| Some((key, finding.numbers.get(*key)?)))
        .map_or(String::new(), |(key, value)| {
            if *key == "ratio" {
                format!("× {value:.2}")
            } else {
                format!("{value:+.3}")
            }
        });
    if let (Some(low), Some(high)) = (finding.numbers.get("low"), finding.numbers.get("high")) {
        difference.push_str(&format!(" ({low:.3} to {high:.3})"));
    }
    // A limit of a ratio is none of the quantity itself.
    let limit = match finding.numbers.get("limit") {
        Some(limit) if finding.numbers.contains_key("ratio") => format!("× {limit}"),
        Some(limit) => format!("{limit:.3}"),
        None => String::new(),
    };
    // Overfitting sets the candidate on one split against itself on the other.
    let (candidate, champion) = if finding.criterion == Criterion::Overfitting {
        let of = |key: &str| match cell(key) {
            text if text.is_empty() => text,
            text => format!("{text} ({key})"),
        };
        (of("validation"), of("test"))
    } else {
        (cell("candidate"), cell("champion"))
    };
    format!(
        "| {} | {outcome} | {candidate} | {champion} | {} | {limit} |\n",
        name(finding),
        difference.trim()
    )
}

fn in_units(criterion: Criterion, value: f64) -> String {
    match criterion {
        Criterion::Size => super::words::megabytes(value),
        Criterion::Latency => format!("{value:.1} ms"),
        Criterion::Classes => format!("{value:.0}"),
        _ => format!("{value:.3}"),
    }
}
