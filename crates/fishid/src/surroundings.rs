//! Where a run happens: the machine and the commit, as tags of a tracked run.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

/// The tags by `MLflow`'s names where it has one.
pub fn tags() -> BTreeMap<String, String> {
    let mut tags = BTreeMap::from([
        ("machine".to_owned(), machine()),
        ("mlflow.source.type".to_owned(), "JOB".to_owned()),
    ]);
    if let Some(commit) = commit() {
        tags.insert("mlflow.source.git.commit".to_owned(), commit);
    }
    tags
}

/// Host, processor and cores.
fn machine() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "unknown host",
        host => host,
    };
    let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{host} ({}, {n_cores} cores)", std::env::consts::ARCH)
}

/// The commit this binary was built from where the build said so, else the one checked out in the current
/// folder: the project whose photographs and settings are used.
fn commit() -> Option<String> {
    if let Some(commit) = option_env!("FISHID_GIT_COMMIT") {
        return Some(commit.to_owned());
    }
    let output = Command::new("git")
        .args(["rev-parse", "HEAD"])
        .output()
        .ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && commit.len() == 40).then_some(commit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_named_with_its_cores() {
        let tags = tags();
        let machine = tags.get("machine").map(String::as_str).unwrap_or_default();
        assert!(machine.contains(std::env::consts::ARCH), "{machine}");
        assert!(machine.ends_with("cores)"), "{machine}");
    }
}
