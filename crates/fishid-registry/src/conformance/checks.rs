//! The checks. They panic on nothing and return what they found instead, so that one run reports
//! every broken promise of a backend.

use std::collections::BTreeMap;

use fishid_bundle::Bundle;

use super::Check;
use super::subject::{ALIAS, Outcome, Subject, failed, note, refused, same};
use crate::error::RegistryError;
use crate::registry::{Action, ModelRegistry, Note, PublishNote, VersionRef};

/// Every promise of [`ModelRegistry`] that a test can hold it to.
pub const CHECKS: &[Check] = &[
    Check {
        name: "an unknown model is empty, not an error",
        run: unknown_model,
    },
    Check {
        name: "versions count up from 1 and keep what was said",
        run: versions_count_up,
    },
    Check {
        name: "a version is tagged with what made it",
        run: tagged_with_what_made_it,
    },
    Check {
        name: "one digest is one version",
        run: one_digest_one_version,
    },
    Check {
        name: "a fetched bundle is the published one",
        run: fetched_is_published,
    },
    Check {
        name: "a folder that is no bundle is refused",
        run: no_bundle,
    },
    Check {
        name: "an alias follows its last move",
        run: alias_moves,
    },
    Check {
        name: "an alias never points at nothing",
        run: alias_needs_version,
    },
    Check {
        name: "an alias that moved meanwhile is left where it is",
        run: alias_moved_meanwhile,
    },
    Check {
        name: "rolling back walks back move by move",
        run: rollback_walks_back,
    },
    Check {
        name: "history tells who did what and why",
        run: history_tells,
    },
    Check {
        name: "a deleted version is gone and its number stays taken",
        run: deleted_is_gone,
    },
    Check {
        name: "a version that an alias names is not deleted",
        run: named_is_not_deleted,
    },
    Check {
        name: "models do not meet",
        run: models_do_not_meet,
    },
    Check {
        name: "names that could leave their place are refused",
        run: bad_names,
    },
];

fn unknown_model(registry: &dyn ModelRegistry, model: &str) -> Outcome {
    let subject = Subject::new(registry, model)?;
    same(
        "versions",
        registry.versions(model).map_err(failed("versions"))?,
        Vec::new(),
    )?;
    same("history", subject.history()?, Vec::new())?;
    same("alias", subject.holder()?, None)?;
    refused(
        "version 1",
        registry.get(model, &VersionRef::Number(1)),
        model,
    )?;
    refused(
        "an alias",
        registry.get(model, &VersionRef::new(ALIAS)),
        ALIAS,
    )?;
    refused(
        "a roll-back",
        registry.rollback(model, ALIAS, &Note::default()),
        ALIAS,
    )
}

fn versions_count_up(registry: &dyn ModelRegistry, model: &str) -> Outcome {
    let subject = Subject::new(registry, model)?;
    let first = subject.publish(1)?;
    let second = subject.publish(2)?;
    same("first", first.version.as_str(), "1")?;
    same("second", second.version.as_str(), "2")?;
    same("model", first.model.as_str(), model)?;
    same("who", first.who.as_str(), "Анна")?;
    same("why", first.why.as_str(), "seed 1")?;
    same(
        "tag",
        first.tags.get("backbone").map(String::as_str),
        Some("tiny"),
    )?;
    let bundle = Bundle::open(subject.bundle(1)?).map_err(failed("open"))?;
    let digest = bundle.bundle_digest().map_err(failed("bundle digest"))?;
    same("bundle digest", &first.bundle_digest, &digest)?;
    let digest = bundle.model_digest().map_err(failed("model digest"))?;
    same("model digest", &first.model_digest, &digest)?;
    let listed = registry.versions(model).map_err(failed("versions"))?;
    same("versions", listed, vec![first.clone(), second])?;
    let got = registry
        .get(model, &VersionRef::Number(1))
        .map_err(failed("get"))?;
    same("get", got, first)?;
    refused(
        "version 3",
        registry.get(model, &VersionRef::Number(3)),
        "no version 3",
    )
}

fn tagged_with_what_made_it(registry: &dyn ModelRegistry, model: &str) -> Outcome {
    let subject = Subject::new(registry, model)?;
    let note = PublishNote {
        tags: BTreeMap::from([("seed".to_owned(), "mine".to_owned())]),
        ..PublishNote::default()
    };
    let version = registry
        .publish(model, &subject.bundle(7)?, &note)
        .map_err(failed("publish"))?;
    let expected = [
        ("backbone", "none".to_owned()),
        ("backbone_digest", "00".repeat(32)),
        ("weights", "random:7".to_owned()),
        ("code_version", "0".to_owned()),
        ("seed", "mine".to_owned()),
    ];
    for (name, value) in expected {
        same(name, version.tags.get(name), Some(&value))?;
    }
    Ok(())
}

fn one_digest_one_version(registry: &dyn ModelRegistry, model: &str) -> Outcome {
    let subject = Subject::new(registry, model)?;
    let first = subject.publish(1)?;
    subject.publish(2)?;
    same("published again", subject.publish(1)?, first)?;
    let versions = registry.versions(model).map_err(failed("versions"))?;
    same("versions", versions.len(), 2)?;
    same("events", subject.history()?.len(), 2)
}

fn fetched_is_published(registry: &dyn ModelRegistry, model: &str) -> Outcome {
    let subject = Subject::new(registry, model)?;
    let version = subject.publish(1)?;
    subject.promote(&version.version)?;
    let cache = subject.scratch.path().join("cache");
    for by in ["1", ALIAS] {
        let folder = registry
            .fetch(model, &VersionRef::new(by), &cache)
            .map_err(failed("fetch"))?;
        let bundle = Bundle::open(folder).map_err(failed("opening the fetched bundle"))?;
        bundle
            .verify()
            .map_err(failed("verifying the fetched bundle"))?;
        let digest = bundle.bundle_digest().map_err(failed("bundle digest"))?;
        same(
            "digest of the fetched bundle",
            &digest,
            &version.bundle_digest,
        )?;
    }
    refused(
        "fetching version 2",
        registry.fetch(model, &VersionRef::Number(2), &cache),
        "version 2",
    )
}

fn no_bundle(registry: &dyn ModelRegistry, model: &str) -> Outcome {
    let subject = Subject::new(registry, model)?;
    let empty = subject.scratch.path();
    let refusal = registry.publish(model, empty, &PublishNote::default());
    refused("an empty folder", refusal, "not a model bundle")?;
    let damaged = subject.bundle(1)?;
    let photograph = damaged.join("golden").join("photo.png");
    std::fs::write(photograph, "changed").map_err(failed("changing a photograph"))?;
    let refusal = registry.publish(model, &damaged, &PublishNote::default());
    refused("a damaged bundle", refusal, "photo.png")?;
    same(
        "versions",
        registry.versions(model).map_err(failed("versions"))?,
        Vec::new(),
    )
}

fn alias_moves(registry: &dyn ModelRegistry, model: &str) -> Outcome {
    let subject = Subject::new(registry, model)?;
    subject.publish(1)?;
    subject.publish(2)?;
    same("before the first move", subject.holder()?, None)?;
    same(
        "promoted",
        subject.promote("1")?.aliases,
        vec![ALIAS.to_owned()],
    )?;
    same(
        "after the first move",
        subject.holder()?.as_deref(),
        Some("1"),
    )?;
    subject.promote("2")?;
    same(
        "after the second move",
        subject.holder()?.as_deref(),
        Some("2"),
    )?;
    subject.promote("2")?;
    same(
        "events, moving it to where it is being none",
        subject.history()?.len(),
        4,
    )?;
    let other = registry
        .set_alias(
            model,
            "challenger",
            &VersionRef::new(ALIAS),
            &note("try", "2"),
        )
        .map_err(failed("an alias by another alias"))?;
    same(
        "aliases of 2",
        other.aliases,
        vec!["challenger".to_owned(), ALIAS.to_owned()],
    )?;
    let versions = registry.versions(model).map_err(failed("versions"))?;
    same(
        "aliases of 1",
        versions.first().map(|v| v.aliases.len()),
        Some(0),
    )
}

fn alias_needs_version(registry: &dyn ModelRegistry, model: &str) -> Outcome {
    let subject = Subject::new(registry, model)?;
    subject.publish(1)?;
    subject.promote("1")?;
    let missing = VersionRef::Number(7);
    refused(
        "promoting version 7",
        registry.set_alias(model, ALIAS, &missing, &Note::default()),
        "7",
    )?;
    same("alias", subject.holder()?.as_deref(), Some("1"))
}

fn alias_moved_meanwhile(registry: &dyn ModelRegistry, model: &str) -> Outcome {
    let subject = Subject::new(registry, model)?;
    for seed in 1..=3 {
        subject.publish(seed)?;
    }
    let move_if = |expected: Option<&str>, to: u64| {
        let to = VersionRef::Number(to);
        registry.set_alias_if(model, ALIAS, &to, expected, &note("move", "if"))
    };
    refused("expecting 1 at nothing", move_if(Some("1"), 2), "moved")?;
    same("alias", subject.holder()?, None)?;
    let moved = move_if(None, 1).map_err(failed("from nothing"))?;
    same("from nothing", moved.aliases, vec![ALIAS.to_owned()])?;
    refused(
        "expecting nothing at 1",
        move_if(None, 2),
        "from nothing to version 1",
    )?;
    move_if(Some("1"), 2).map_err(failed("from 1"))?;
    let refusal = move_if(Some("1"), 3);
    let told = match &refusal {
        Err(RegistryError::AliasMoved {
            expected, found, ..
        }) => (expected.as_deref(), found.as_deref()),
        _ => (None, None),
    };
    same("expected and found", told, (Some("1"), Some("2")))?;
    same("alias", subject.holder()?.as_deref(), Some("2"))?;
    same("events", subject.history()?.len(), 5)
}

fn rollback_walks_back(registry: &dyn ModelRegistry, model: &str) -> Outcome {
    let subject = Subject::new(registry, model)?;
    for seed in 1..=3 {
        let version = subject.publish(seed)?.version;
        subject.promote(&version)?;
    }
    same("once", subject.rollback()?.as_str(), "2")?;
    same("holder", subject.holder()?.as_deref(), Some("2"))?;
    same("twice", subject.rollback()?.as_str(), "1")?;
    let refusal = registry.rollback(model, ALIAS, &Note::default());
    refused("a third time", refusal, "nothing to roll back to")?;
    subject.promote("3")?;
    same("after another promotion", subject.rollback()?.as_str(), "1")?;
    same("holder", subject.holder()?.as_deref(), Some("1"))
}

fn history_tells(registry: &dyn ModelRegistry, model: &str) -> Outcome {
    let subject = Subject::new(registry, model)?;
    subject.publish(1)?;
    subject.promote("1")?;
    subject.publish(2)?;
    subject.promote("2")?;
    subject.rollback()?;
    let history = subject.history()?;
    let told: Vec<_> = history
        .iter()
        .map(|event| {
            (
                event.action,
                event.from.as_deref(),
                event.to.as_str(),
                event.why.as_str(),
            )
        })
        .collect();
    let expected = vec![
        (Action::Published, None, "1", "seed 1"),
        (Action::Promoted, None, "1", "promote 1"),
        (Action::Published, None, "2", "seed 2"),
        (Action::Promoted, Some("1"), "2", "promote 2"),
        (Action::RolledBack, Some("2"), "1", "roll back it"),
    ];
    same("history", told, expected)?;
    same(
        "order",
        history.iter().map(|event| event.seq).collect(),
        vec![1, 2, 3, 4, 5],
    )?;
    same(
        "times ascend",
        history.is_sorted_by_key(|event| event.time),
        true,
    )?;
    let who: Vec<_> = history.iter().map(|event| event.who.as_str()).collect();
    same("who", who, vec!["Анна", "Борис", "Анна", "Борис", "Борис"])
}

fn deleted_is_gone(registry: &dyn ModelRegistry, model: &str) -> Outcome {
    let subject = Subject::new(registry, model)?;
    for seed in 1..=3 {
        subject.publish(seed)?;
    }
    subject.promote("1")?;
    let delete =
        |number: u64| registry.delete(model, &VersionRef::Number(number), &note("delete", "it"));
    delete(2).map_err(failed("deleting one in the middle"))?;
    delete(3).map_err(failed("deleting the last one"))?;
    let versions = registry.versions(model).map_err(failed("versions"))?;
    let numbers: Vec<_> = versions.iter().map(|v| v.version.as_str()).collect();
    same("versions", numbers, vec!["1"])?;
    refused("deleting it again", delete(2), "no version 2")?;
    let cache = subject.scratch.path().join("cache");
    let number = VersionRef::Number(3);
    refused("fetching it", registry.fetch(model, &number, &cache), "3")?;
    same("published again", subject.publish(3)?.version.as_str(), "4")?;
    let told: Vec<_> = subject
        .history()?
        .into_iter()
        .map(|event| (event.seq, event.action, event.to, event.who))
        .collect();
    let event = |seq: u64, action: Action, to: &str, who: &str| {
        (seq, action, to.to_owned(), who.to_owned())
    };
    let expected = vec![
        event(1, Action::Published, "1", "Анна"),
        event(2, Action::Published, "2", "Анна"),
        event(3, Action::Published, "3", "Анна"),
        event(4, Action::Promoted, "1", "Борис"),
        event(5, Action::Deleted, "2", "Борис"),
        event(6, Action::Deleted, "3", "Борис"),
        event(7, Action::Published, "4", "Анна"),
    ];
    same("history", told, expected)
}

fn named_is_not_deleted(registry: &dyn ModelRegistry, model: &str) -> Outcome {
    let subject = Subject::new(registry, model)?;
    subject.publish(1)?;
    subject.publish(2)?;
    subject.promote("1")?;
    for version in [VersionRef::Number(1), VersionRef::new(ALIAS)] {
        let refusal = registry.delete(model, &version, &Note::default());
        refused("deleting what is in production", refusal, ALIAS)?;
    }
    same("alias", subject.holder()?.as_deref(), Some("1"))?;
    subject.promote("2")?;
    registry
        .delete(model, &VersionRef::Number(1), &Note::default())
        .map_err(failed("deleting what was in production"))?;
    // Back to a version that is gone is no way back.
    let refusal = registry.rollback(model, ALIAS, &Note::default());
    refused("rolling back to it", refusal, "no version 1")?;
    same("alias", subject.holder()?.as_deref(), Some("2"))
}

fn models_do_not_meet(registry: &dyn ModelRegistry, model: &str) -> Outcome {
    let other = format!("{model}-other");
    let (one, two) = (
        Subject::new(registry, model)?,
        Subject::new(registry, &other)?,
    );
    one.publish(1)?;
    one.publish(2)?;
    one.promote("2")?;
    same(
        "version of the other model",
        two.publish(2)?.version.as_str(),
        "1",
    )?;
    same("alias of the other model", two.holder()?, None)?;
    same("history of the other model", two.history()?.len(), 1)
}

fn bad_names(registry: &dyn ModelRegistry, model: &str) -> Outcome {
    let subject = Subject::new(registry, model)?;
    subject.publish(1)?;
    for name in [
        "", ".", "..", "../up", "a/b", "a\\b", "/abs", ".hidden", "a b", "щука", "a\0",
    ] {
        refused(
            name,
            registry.publish(name, &subject.bundle(1)?, &PublishNote::default()),
            "name",
        )?;
        refused(
            name,
            registry.versions(name),
            "cannot be the name of a model",
        )?;
    }
    for name in [
        "",
        "..",
        "../up",
        "a/b",
        "Production",
        "latest",
        "v5",
        "5",
        "-x",
        "a b",
    ] {
        let refusal = registry.set_alias(model, name, &VersionRef::Number(1), &Note::default());
        refused(name, refusal, "cannot be the name of an alias")?;
    }
    Ok(())
}
