//! `fishid registry history`: what happened, and how good the version was that it happened to.

use fishid_registry::{Action, Event, Version};
use serde_json::{Value, json};

use super::super::{print_json, print_line};

/// Results that a version's tags hold, and their names for people.
const RESULTS: [(&str, &str); 2] = [("test_accuracy", "accuracy"), ("test_macro_f1", "macro-F1")];

/// Prints events, each with the test results of the version it came to.
pub fn print(events: &[Event], versions: &[Version], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        let events: anyhow::Result<Vec<Value>> = events
            .iter()
            .map(|event| with_results(event, versions))
            .collect();
        return print_json(&events?);
    }
    events
        .iter()
        .try_for_each(|event| print_line(&line(event, versions)))
}

/// The results of the version an event came to; none for one that is gone or was never evaluated.
fn results(event: &Event, versions: &[Version]) -> Vec<(&'static str, f64)> {
    let version = versions.iter().find(|version| version.version == event.to);
    let result = |(tag, name): &(&'static str, &'static str)| {
        let value = version?.tags.get(*tag)?.parse().ok()?;
        Some((*name, value))
    };
    RESULTS.iter().filter_map(result).collect()
}

fn with_results(event: &Event, versions: &[Version]) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(event)?;
    let metrics: serde_json::Map<String, Value> = results(event, versions)
        .into_iter()
        .map(|(name, value)| (name.replace("macro-F1", "macro_f1"), json!(value)))
        .collect();
    value["metrics"] = Value::Object(metrics);
    Ok(value)
}

fn line(event: &Event, versions: &[Version]) -> String {
    let alias = event.alias.as_deref().unwrap_or_default();
    let from = event.from.as_deref().unwrap_or("nothing");
    let to = &event.to;
    let what = match event.action {
        Action::Published => format!("published {to}"),
        Action::Deleted => format!("deleted {to}"),
        Action::Removed => format!("took {alias} off {to}"),
        Action::Promoted => format!("promoted {alias}: {from} → {to}"),
        Action::RolledBack => format!("rolled back {alias}: {from} → {to}"),
    };
    let results: Vec<String> = results(event, versions)
        .into_iter()
        .map(|(name, value)| format!("{name} {value:.3}"))
        .collect();
    let results = if results.is_empty() {
        String::new()
    } else {
        format!("  ({})", results.join(", "))
    };
    format!(
        "{}  {what}{results}  {}: {}",
        event.time.strftime("%Y-%m-%d %H:%M:%S UTC"),
        event.who,
        event.why
    )
}
