//! `fishid data …`

mod versions;

use std::collections::BTreeMap;

use fishid_dataset::synth::{SynthError, SynthRequest, synthesise};
use fishid_dataset::{
    CheckOptions, Dataset, DatasetError, OpenOptions, ProblemKind, Ratios, SplitFolderSummary,
    SplitRequest, check, import, write_split,
};
use fishid_image::Limits;
use fishid_storage::{Storage, StorageError, mirror};
use serde_json::json;

pub use versions::expected;

use super::{print_json, print_line};
use crate::cli::{
    CheckArgs, DataCommand, GroupColumn, ImportArgs, SplitArgs, SynthArgs, UploadArgs,
};
use crate::config::Config;
use crate::exit::{BlameInput as _, InputError, Status};
use crate::progress::Bar;

pub fn run(command: DataCommand, config: &Config) -> anyhow::Result<Status> {
    match command {
        DataCommand::Synth(args) => synth(args),
        DataCommand::Check(args) => look(&args, config),
        DataCommand::Import(args) => bring_in(&args),
        DataCommand::Split(args) => split(args),
        DataCommand::Lock(args) => versions::lock(&args),
        DataCommand::Diff(args) => versions::diff(&args),
        DataCommand::Upload(args) => upload(&args),
    }
}

/// Opens a data set; what is wrong with it is the input's fault.
pub fn open(location: &str, group: &GroupColumn) -> anyhow::Result<Dataset> {
    let options = OpenOptions {
        group_column: group.group_column.clone(),
        ..OpenOptions::default()
    };
    let dataset = Dataset::open(location, &options).map_err(blame)?;
    // A folder that cannot be listed must not look like an empty one.
    for problem in dataset.problems() {
        if problem.kind == ProblemKind::Unlisted {
            eprintln!("warning: {}: {}", problem.path, problem.detail);
        }
    }
    Ok(dataset)
}

/// What is wrong with photographs or arguments is the input's fault; a full disk or a dead network is not.
fn blame(error: DatasetError) -> anyhow::Error {
    match error {
        DatasetError::Write { .. }
        | DatasetError::Storage { .. }
        | DatasetError::Unusable(_)
        | DatasetError::Read { .. } => error.into(),
        other => InputError(other.to_string()).into(),
    }
}

fn upload(args: &UploadArgs) -> anyhow::Result<Status> {
    let blame = |error| match error {
        StorageError::Missing { .. }
        | StorageError::NotAFolder { .. }
        | StorageError::UnknownScheme { .. }
        | StorageError::Settings { .. } => InputError(error.to_string()).into(),
        other => anyhow::Error::new(other),
    };
    let to = Storage::open(&args.to, &BTreeMap::new()).map_err(blame)?;
    let bar = Bar::new("uploading");
    let mirrored = mirror(&args.dir, &to, &|done, total| bar.set(done, total)).map_err(blame)?;
    drop(bar);
    if mirrored.n_stored + mirrored.n_skipped == 0 {
        let text = format!(
            "{} holds no files; give the folder that holds the photographs",
            args.dir.display()
        );
        return Err(InputError(text).into());
    }
    if args.json {
        print_json(&json!({
            "dir": args.dir, "to": args.to, "n_uploaded": mirrored.n_stored,
            "bytes_uploaded": mirrored.bytes_stored, "n_skipped": mirrored.n_skipped,
        }))?;
    } else {
        print_line(&format!(
            "{} files ({:.1} MB) brought to {}; {} were there already",
            mirrored.n_stored,
            mirrored.bytes_stored as f64 / 1e6,
            args.to,
            mirrored.n_skipped
        ))?;
    }
    Ok(Status::Done)
}

fn synth(args: SynthArgs) -> anyhow::Result<Status> {
    let request = SynthRequest {
        dir: args.dir,
        n_species: args.species,
        per_class: args.per_class,
        seed: args.seed,
    };
    let bar = Bar::new("drawing");
    let summary =
        synthesise(&request, &|done, total| bar.set(done, total)).map_err(|error| match error {
            SynthError::Io { .. } => anyhow::Error::new(error),
            other => InputError(other.to_string()).into(),
        })?;
    drop(bar);
    if args.json {
        print_json(&json!({
            "dir": request.dir, "n_species": summary.n_species, "n_photographs": summary.n_photographs,
            "n_groups": summary.n_groups, "seed": request.seed,
        }))?;
    } else {
        print_line(&format!(
            "{} drawings of {} species in {}: for demonstrations and tests only",
            summary.n_photographs,
            summary.n_species,
            request.dir.display()
        ))?;
    }
    Ok(Status::Done)
}

fn look(args: &CheckArgs, config: &Config) -> anyhow::Result<Status> {
    let dataset = open(&args.dir, &args.group)?;
    let options = CheckOptions {
        catalogue: config.catalogue()?,
        ..CheckOptions::default()
    };
    let bar = Bar::new("checking");
    let problems = check(&dataset, &options, &|done, total| {
        bar.set(done, total);
    });
    drop(bar);
    for problem in &problems {
        if args.json {
            print_json(problem)?;
        } else {
            let twin = problem
                .other
                .as_ref()
                .map(|other| format!(" [{other}]"))
                .unwrap_or_default();
            let severity = if problem.is_error() {
                "problem"
            } else {
                "warning"
            };
            print_line(&format!(
                "{severity}: {}: {}{twin}",
                problem.path, problem.detail
            ))?;
        }
    }
    let n_errors = problems.iter().filter(|problem| problem.is_error()).count();
    if !args.json {
        print_line(&format!(
            "{} photographs of {} classes: {n_errors} problems, {} warnings",
            dataset.photographs().len(),
            dataset.classes().len(),
            problems.len() - n_errors
        ))?;
    }
    Ok(if n_errors == 0 {
        Status::Done
    } else {
        Status::BadInput
    })
}

fn bring_in(args: &ImportArgs) -> anyhow::Result<Status> {
    let bar = Bar::new("importing");
    let summary = import(&args.src, &args.dir, args.seed, &|done, total| {
        bar.set(done, total);
    })
    .map_err(blame)?;
    drop(bar);
    if args.json {
        print_json(&json!({
            "out": summary.written.out, "counts": summary.written.counts, "n_groups": summary.written.n_groups,
            "n_masks_skipped": summary.n_masks, "n_copies_skipped": summary.n_copies,
            "n_without_class_skipped": summary.n_without_class, "classes": summary.class_names,
            "left_out": summary.written.left_out,
        }))?;
        return Ok(Status::Done);
    }
    for (slug, names) in &summary.class_names {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        print_line(&format!("{} → {slug}", names.join(", ")))?;
    }
    print_line(&format!(
        "skipped: {} masks, {} exact copies, {} pictures outside class folders",
        summary.n_masks, summary.n_copies, summary.n_without_class
    ))?;
    print_split(&summary.written)?;
    Ok(Status::Done)
}

fn split(args: SplitArgs) -> anyhow::Result<Status> {
    let ratios: Ratios = args.ratios.parse().blame_input()?;
    let dataset = open(&args.dir, &args.group)?;
    let request = SplitRequest {
        out: args.out,
        ratios,
        seed: args.seed,
        group_column: args.group.group_column,
        limits: Limits::default(),
    };
    let bar = Bar::new("splitting");
    let summary =
        write_split(&dataset, &request, &|done, total| bar.set(done, total)).map_err(blame)?;
    drop(bar);
    if args.json {
        print_json(&json!({
            "out": summary.out, "counts": summary.counts, "n_groups": summary.n_groups,
            "n_kept": summary.n_kept, "n_gone": summary.n_gone, "left_out": summary.left_out,
        }))?;
    } else {
        print_split(&summary)?;
    }
    Ok(Status::Done)
}

fn print_split(summary: &SplitFolderSummary) -> anyhow::Result<()> {
    for problem in &summary.left_out {
        print_line(&format!("left out: {}: {}", problem.path, problem.detail))?;
    }
    for (split, classes) in &summary.counts {
        let n: usize = classes.values().sum();
        print_line(&format!(
            "{split}: {n} photographs of {} classes",
            classes.len()
        ))?;
    }
    if summary.n_gone > 0 {
        print_line(&format!(
            "{} photographs of the earlier split are no longer in the source and were left out",
            summary.n_gone
        ))?;
    }
    print_line(&format!(
        "{} groups, none divided, in {}",
        summary.n_groups,
        summary.out.display()
    ))
}
