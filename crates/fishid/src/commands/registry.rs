//! `fishid registry …`

mod proof;

use fishid_registry::{
    Action, Event, ModelRegistry, Note, PRODUCTION, PublishNote, RegistryError, Version, VersionRef,
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
    let registry = fishid_registry::open(&url).blame_input()?;
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
            if args.json {
                print_json(&events)?;
            } else {
                events
                    .iter()
                    .try_for_each(|event| print_line(&event_line(event)))?;
            }
        }
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
        | RegistryError::ChangedMeanwhile { .. } => error.into(),
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

fn event_line(event: &Event) -> String {
    let what = match (event.action, &event.alias, &event.from) {
        (Action::Published, _, _) => format!("published {}", event.to),
        (action, alias, from) => format!(
            "{} {}: {} → {}",
            if action == Action::RolledBack {
                "rolled back"
            } else {
                "promoted"
            },
            alias.as_deref().unwrap_or_default(),
            from.as_deref().unwrap_or("nothing"),
            event.to
        ),
    };
    format!(
        "{}  {what}  {}: {}",
        event.time.strftime("%Y-%m-%d %H:%M:%S UTC"),
        event.who,
        event.why
    )
}
