//! `fishid registry …`

mod adopt;
mod history;
mod proof;
mod prune;

use std::path::Path;
use std::time::Duration;

use fishid_registry::{
    FolderTracker, MlflowError, MlflowSettings, ModelRegistry, Note, PRODUCTION, PublishNote,
    RegistryError, Secret, Timing, Tracker, Version, VersionRef, open_mlflow, open_tracker,
    open_with, without_secrets,
};
use serde_json::json;

use super::{print_json, print_line};
use crate::cli::{PromoteArgs, PublishArgs, RegistryArgs, RegistryCommand, WhyArgs};
use crate::config::Config;
use crate::exit::{BlameInput as _, InputError, Status};
use crate::home::Home;

/// A registry and the model meant in it.
pub struct Chosen {
    pub registry: Box<dyn ModelRegistry>,
    pub model: String,
    pub url: String,
}

/// Flags before settings before `$FISHID_HOME/registry`.
pub fn choose(args: &RegistryArgs, config: &Config, home: &Home) -> anyhow::Result<Chosen> {
    let url = args
        .registry
        .clone()
        .or_else(|| config.registry.url.clone())
        .unwrap_or_else(|| home.registry_url());
    let registry = open_with(&url, &mlflow_settings()).blame_input()?;
    let model = args
        .model
        .clone()
        .unwrap_or_else(|| config.registry.model.clone());
    Ok(Chosen {
        registry,
        model,
        url,
    })
}

/// The same registry by calls that give up within seconds, where something else waits to be done.
pub fn hasty(chosen: &Chosen) -> anyhow::Result<Box<dyn ModelRegistry>> {
    let mut settings = mlflow_settings();
    settings.timing = Timing {
        connect_timeout: Duration::from_secs(2),
        read_timeout: Duration::from_secs(3),
        attempts: 1,
        ..settings.timing
    };
    let once = ("AWS_MAX_ATTEMPTS".to_owned(), Secret::new("1"));
    settings.storage.extend([once]);
    open_with(&chosen.url, &settings).blame_input()
}

/// Where runs are tracked: on the server that is the registry, else in a folder.
pub fn tracker(chosen: &Chosen, home: &Home) -> anyhow::Result<Box<dyn Tracker>> {
    let tracker = open_tracker(&chosen.url, &mlflow_settings()).blame_input()?;
    Ok(tracker.unwrap_or_else(|| Box::new(FolderTracker::new(home.tracking()))))
}

/// Downloads the files of a version that another program registered into the new folder `target`.
fn fetch_files(
    chosen: &Chosen,
    model: &str,
    version: &VersionRef,
    target: &Path,
) -> anyhow::Result<()> {
    let server = open_mlflow(&chosen.url, &mlflow_settings()).blame_input()?;
    let Some(server) = server else {
        anyhow::bail!(InputError(format!(
            "models:/{model} names a version on an MLflow server, and {} is none; say --registry mlflow+http://host:5000",
            without_secrets(&chosen.url)
        )));
    };
    server.fetch_files(model, version, target).map_err(blame)
}

/// Who asks a server, by the variables that `MLflow`'s own clients read.
fn mlflow_settings() -> MlflowSettings {
    MlflowSettings::from_environment(|name| std::env::var(name).ok())
}

/// Who acts, for the history: the user of this machine.
pub fn who() -> String {
    ["FISHID_WHO", "USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .or_else(user_name)
        .unwrap_or_else(|| "unknown".to_owned())
}

/// What the system calls the user; services often run without `USER`.
fn user_name() -> Option<String> {
    let output = std::process::Command::new("id").arg("-un").output().ok()?;
    let name = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !name.is_empty()).then_some(name)
}

pub fn run(command: RegistryCommand, config: &Config, home: &Home) -> anyhow::Result<Status> {
    match command {
        RegistryCommand::List(args) => {
            let Chosen {
                registry, model, ..
            } = choose(&args.registry, config, home)?;
            let mut versions = registry.versions(&model).map_err(blame)?;
            versions.reverse();
            if args.json {
                print_json(&versions)?;
            } else if versions.is_empty() {
                print_line(&format!("{model} has no version yet"))?;
            }
            if !args.json {
                versions
                    .iter()
                    .try_for_each(|version| print_line(&line(version)))?;
            }
        }
        RegistryCommand::Show(args) => {
            let Chosen {
                registry, model, ..
            } = choose(&args.registry, config, home)?;
            let version = registry
                .get(&model, &VersionRef::new(&args.version))
                .map_err(blame)?;
            print_version(&version, args.json)?;
        }
        RegistryCommand::Publish(args) => publish(&args, config, home)?,
        RegistryCommand::Adopt(args) => adopt::run(&args, config, home)?,
        RegistryCommand::Promote(args) => promote(&args, config, home)?,
        RegistryCommand::Rollback(args) => {
            let Chosen {
                registry, model, ..
            } = choose(&args.registry, config, home)?;
            let version = registry
                .rollback(&model, PRODUCTION, &note(&args.why, "rolled back by hand"))
                .map_err(blame)?;
            print_version(&version, args.json)?;
        }
        RegistryCommand::History(args) => {
            let Chosen {
                registry, model, ..
            } = choose(&args.registry, config, home)?;
            let events = registry.history(&model).map_err(blame)?;
            let versions = registry.versions(&model).map_err(blame)?;
            history::print(&events, &versions, args.json)?;
        }
        RegistryCommand::Prune(args) => prune::run(&args, config, home)?,
    }
    Ok(Status::Done)
}

fn publish(args: &PublishArgs, config: &Config, home: &Home) -> anyhow::Result<()> {
    if !args.bundle.is_dir() {
        anyhow::bail!(InputError(format!(
            "{}: no such bundle folder",
            args.bundle.display()
        )));
    }
    let Chosen {
        registry, model, ..
    } = choose(&args.registry, config, home)?;
    proof::prove(
        &args.bundle,
        &format!("the bundle {}", args.bundle.display()),
    )?;
    let Note { who, why } = note(&args.why, "published by hand");
    let note = PublishNote {
        who,
        why,
        ..PublishNote::default()
    };
    let version = registry
        .publish(&model, &args.bundle, &note)
        .map_err(blame)?;
    print_version(&version, args.json)
}

fn promote(args: &PromoteArgs, config: &Config, home: &Home) -> anyhow::Result<()> {
    let chosen = choose(&args.registry, config, home)?;
    let Chosen {
        registry, model, ..
    } = &chosen;
    let version = registry
        .get(model, &VersionRef::new(&args.version))
        .map_err(blame)?;
    // By number from here on: an alias may move between the proof and the promotion.
    let number = VersionRef::new(&version.version);
    let bundle = registry
        .fetch(model, &number, &home.bundles())
        .map_err(blame)?;
    proof::prove(&bundle, &format!("version {} of {model}", version.version))?;
    let decision = proof::gate_decision(&chosen, &version)?;
    match &decision {
        Some(decision) => eprintln!("gate: {decision}"),
        None => eprintln!(
            "gate: never asked, version {} was published by hand",
            version.version
        ),
    }
    let decision = decision.as_deref();
    let objections = proof::objections(&chosen, &version, &bundle, decision, &home.bundles())?;
    let mut note = note(&args.why, "promoted by hand");
    if !objections.is_empty() {
        let objections = objections.join("; ");
        if !args.force {
            anyhow::bail!(InputError(format!(
                "{objections}. Promote it all the same, on record: `fishid registry promote {} --force --why \"…\"`",
                version.version
            )));
        }
        note.why = format!("{} (forced over: {objections})", note.why);
    }
    let version = registry
        .set_alias(model, PRODUCTION, &number, &note)
        .map_err(blame)?;
    print_version(&version, args.json)
}

fn note(why: &WhyArgs, otherwise: &str) -> Note {
    Note {
        who: who(),
        why: why.why.clone().unwrap_or_else(|| otherwise.to_owned()),
    }
}

/// Unknown versions and aliases, and bundles that are none, are the input's fault; a full disk is not.
pub fn blame(error: RegistryError) -> anyhow::Error {
    match error {
        RegistryError::Io { .. }
        | RegistryError::Damaged { .. }
        | RegistryError::DamagedAlias { .. }
        | RegistryError::DamagedHistory { .. }
        | RegistryError::Files { .. }
        | RegistryError::ChangedMeanwhile { .. } => error.into(),
        // A version that fishid did not make is the caller's choice, everything else the server's matter.
        RegistryError::Mlflow(ref server)
            if !matches!(
                server,
                MlflowError::Foreign { .. } | MlflowError::Unusable { .. }
            ) =>
        {
            error.into()
        }
        other => InputError(other.to_string()).into(),
    }
}

fn print_version(version: &Version, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        print_json(&json!(version))
    } else {
        print_line(&line(version))
    }
}

fn line(version: &Version) -> String {
    let aliases = if version.aliases.is_empty() {
        String::new()
    } else {
        format!(" [{}]", version.aliases.join(", "))
    };
    format!(
        "{} {}{aliases}  {}  {}  model {}  {}: {}",
        version.model,
        version.version,
        version.created_at.strftime("%Y-%m-%d %H:%M UTC"),
        version.tags.get("backbone").map_or("", String::as_str),
        version
            .model_digest
            .get(..12)
            .unwrap_or(&version.model_digest),
        version.who,
        version.why
    )
}
