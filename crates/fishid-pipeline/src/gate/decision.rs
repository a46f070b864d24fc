//! The decision on record: `gate.json` for programs and `gate.md` for people, in the run's folder.

use std::path::PathBuf;

use fishid_registry::without_secrets;
use fishid_training::{GatePage, Verdict, gate_page};
use jiff::Timestamp;
use serde::Serialize;

use crate::PipelineError;
use crate::outputs::{Gated, Promoted};
use crate::record::{write_json, write_text};
use crate::run::PipelineRequest;

/// The name under which versions and runs are tagged with the decision in one line.
pub(crate) const TAG: &str = "gate";
pub(crate) const PAGE_FILE: &str = "gate.md";
const JSON_FILE: &str = "gate.json";

/// `gate.json`: the verdict and whose it is.
#[derive(Serialize)]
struct Recorded<'a> {
    #[serde(flatten)]
    verdict: &'a Verdict,
    model: &'a str,
    version: Option<&'a str>,
    run: &'a str,
    decided_at: Timestamp,
    held_back: Option<&'a str>,
    is_in_production: bool,
}

/// Writes both files anew; the page is returned with its place. Before the version is registered `promoted` is
/// `None`, so that a run that is killed between leaves its decision too.
pub(crate) fn write(
    request: &PipelineRequest<'_>,
    run: &str,
    gated: &Gated,
    promoted: Option<&Promoted>,
) -> Result<(PathBuf, String), PipelineError> {
    let folder = request.folders.runs.join(run);
    let decided_at = Timestamp::now();
    let version = promoted.map(|it| it.version.as_str());
    let is_in_production = promoted.is_some_and(|it| it.is_in_production);
    let held_back = gated.held_back.as_deref();
    write_json(
        &folder.join(JSON_FILE),
        &Recorded {
            verdict: &gated.verdict,
            model: request.train.model_name,
            version,
            run,
            decided_at,
            held_back,
            is_in_production,
        },
    )?;
    let command = version.map(|version| promote_command(request, version));
    let page = gate_page(
        &gated.verdict,
        &GatePage {
            model: request.train.model_name,
            version,
            run,
            decided_at: &decided_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            held_back,
            is_in_production,
            promote: command.as_deref(),
        },
    );
    let file = folder.join(PAGE_FILE);
    write_text(&file, &page)?;
    Ok((file, page))
}

/// The command with which a person promotes the version.
pub(crate) fn promote_command(request: &PipelineRequest<'_>, version: &str) -> String {
    format!(
        "fishid registry promote {version} --registry {} --model {}",
        quoted(&without_secrets(request.registry_url)),
        quoted(request.train.model_name)
    )
}

fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/:._-+@".contains(c);
    if text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::{quoted, without_secrets};

    #[test]
    fn a_command_has_no_password_and_survives_a_shell() {
        for (url, wanted) in [
            (
                "mlflow+http://anna:secret@host:5000",
                "mlflow+http://host:5000",
            ),
            ("file:///srv/a@b/registry", "file:///srv/a@b/registry"),
            ("/srv/registry", "/srv/registry"),
        ] {
            assert_eq!(without_secrets(url), wanted);
        }
        assert_eq!(quoted("/srv/my fish's"), r"'/srv/my fish'\''s'");
        assert_eq!(quoted("file:///srv/registry"), "file:///srv/registry");
    }
}
