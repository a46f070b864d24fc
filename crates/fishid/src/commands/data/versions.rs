//! `fishid data lock` and `diff`: which photographs there are, and what has changed.

use std::path::Path;

use fishid_dataset::{DataChanges, DataLock};
use serde_json::json;

use super::{blame, open};
use crate::cli::{DiffArgs, GroupColumn, LockArgs};
use crate::commands::{print_json, print_line};
use crate::exit::{InputError, Status};
use crate::progress::Bar;

/// Differences of one kind that are printed; `--json` has no limit.
const N_PRINTED: usize = 20;
const DEFAULT_GROUP_COLUMN: &str = "group";

pub fn lock(args: &LockArgs) -> anyhow::Result<Status> {
    DataLock::refuse_taken(&args.out).map_err(blame)?;
    let lock = of_data(&args.dir, &args.group.group_column)?;
    lock.write(&args.out).map_err(blame)?;
    if args.json {
        print_json(&json!({
            "out": args.out, "digest": lock.digest(), "n_photographs": lock.photographs().len(),
            "n_bytes": lock.n_bytes(), "classes": lock.classes(),
        }))?;
    } else {
        print_line(&format!(
            "{} photographs of {} classes, {} bytes, digest {}, in {}",
            lock.photographs().len(),
            lock.classes().len(),
            lock.n_bytes(),
            lock.digest(),
            args.out.display()
        ))?;
    }
    Ok(Status::Done)
}

/// The lock that `--lock` names.
pub fn expected(file: Option<&Path>) -> anyhow::Result<Option<DataLock>> {
    file.map(DataLock::read).transpose().map_err(blame)
}

pub fn diff(args: &DiffArgs) -> anyhow::Result<Status> {
    let (a, b) = (lock_at(&args.a)?, lock_at(&args.b)?);
    let group_column = args.group_column.clone().unwrap_or_else(|| {
        let of_lock = a.as_ref().or(b.as_ref()).map(DataLock::group_column);
        of_lock.unwrap_or(DEFAULT_GROUP_COLUMN).to_owned()
    });
    let locked = |lock: Option<DataLock>, location| match lock {
        Some(lock) => Ok(lock),
        None => of_data(location, &group_column),
    };
    let (before, after) = (locked(a, &args.a)?, locked(b, &args.b)?);
    let changes = before.changes_to(&after);
    if args.json {
        let mut value = serde_json::to_value(&changes)?;
        let side = |text: &str, lock: &DataLock| {
            json!({
                "location": text, "digest": lock.digest(),
                "n_photographs": lock.photographs().len(), "n_bytes": lock.n_bytes(),
            })
        };
        value["equal"] = json!(changes.is_empty());
        value["a"] = side(&args.a, &before);
        value["b"] = side(&args.b, &after);
        print_json(&value)?;
    } else {
        print_changes(&changes, &before, &after)?;
    }
    Ok(if args.exit_code && !changes.is_empty() {
        Status::Differs
    } else {
        Status::Done
    })
}

/// The lock in this file; `None` for a folder or an address, whose photographs have to be read.
fn lock_at(text: &str) -> anyhow::Result<Option<DataLock>> {
    let path = Path::new(text);
    if !text.contains("://") && !path.exists() {
        anyhow::bail!(InputError(format!(
            "{text} does not exist; give a lock of `fishid data lock`, a folder of species folders, or s3://bucket/prefix"
        )));
    }
    path.is_file()
        .then(|| DataLock::read(path))
        .transpose()
        .map_err(blame)
}

fn of_data(location: &str, group_column: &str) -> anyhow::Result<DataLock> {
    let group = GroupColumn {
        group_column: group_column.to_owned(),
    };
    let dataset = open(location, &group)?;
    let bar = Bar::new("reading");
    DataLock::of(&dataset, group_column, &|done, total| bar.set(done, total)).map_err(blame)
}

fn print_changes(changes: &DataChanges, before: &DataLock, after: &DataLock) -> anyhow::Result<()> {
    if changes.is_empty() {
        return print_line(&format!(
            "equal: {} photographs, digest {}",
            after.photographs().len(),
            after.digest()
        ));
    }
    for line in changes.lines(N_PRINTED) {
        print_line(&line)?;
    }
    for (class, count) in &changes.classes {
        if count.before != count.after {
            print_line(&format!("{class}: {} → {}", count.before, count.after))?;
        }
    }
    print_line(&format!(
        "{} → {} photographs: {}",
        before.photographs().len(),
        after.photographs().len(),
        changes.summary()
    ))
}
