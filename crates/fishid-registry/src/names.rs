//! Which names may be used. The rules are the narrowest of all backends, so that what was done in
//! a folder can be done again on a server, and no name can leave its folder.

use crate::error::RegistryError;

/// Checks the name of a model.
pub fn check_model(name: &str) -> Result<(), RegistryError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fits = name.len() <= 100
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(is_plain);
    refuse_unless(
        fits,
        "a model",
        name,
        "use up to 100 letters a-z, digits, '-', '_' and '.', a letter or digit first",
    )
}

/// Checks an alias. `MLflow` refuses `latest` and `v5`, and digits would be a version's number.
pub(crate) fn check_alias(name: &str) -> Result<(), RegistryError> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let is_number = name
        .strip_prefix('v')
        .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit()));
    let fits = name.len() <= 100
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(is_plain)
        && name != "latest"
        && !is_number;
    refuse_unless(
        fits,
        "an alias",
        name,
        "use up to 100 lower-case letters, digits, '-' and '_', a letter first, and neither `latest` nor v followed by a number",
    )
}

/// Checks the name of a metric or parameter by `MLflow`'s rule.
pub(crate) fn check_key(name: &str) -> Result<(), RegistryError> {
    let is_plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/' | ' ');
    let fits = !name.is_empty()
        && name.len() <= 250
        && name.chars().all(is_plain)
        && !name.split('/').any(|part| matches!(part, "" | "." | ".."));
    refuse_unless(
        fits,
        "a metric or parameter",
        name,
        "use up to 250 letters a-z, digits, '_', '-', '.', ':', ' ' and '/' between parts",
    )
}

/// Whether a metric or parameter may have this name on every tracker.
pub fn is_metric_name(name: &str) -> bool {
    check_key(name).is_ok()
}

/// Checks the path of an artifact: relative, with `/`, staying below its run.
pub(crate) fn check_artifact(path: &str) -> Result<(), RegistryError> {
    let is_plain = |part: &str| {
        !matches!(part, "" | "." | "..")
            && !part
                .chars()
                .any(|c| c.is_control() || matches!(c, '\\' | ':'))
    };
    refuse_unless(
        path.len() <= 500 && path.split('/').all(is_plain),
        "an artifact",
        path,
        "use a relative path with '/' and without '..'",
    )
}

fn refuse_unless(
    fits: bool,
    kind: &'static str,
    name: &str,
    rule: &'static str,
) -> Result<(), RegistryError> {
    if fits {
        Ok(())
    } else {
        Err(RegistryError::BadName {
            kind,
            name: name.to_owned(),
            rule,
        })
    }
}
