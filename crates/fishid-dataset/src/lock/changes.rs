//! What differs between two locks: photographs added, removed, moved, with other content, in another class,
//! group or split. Compares contents only; where the data lie does not matter.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use serde::Serialize;

use super::DataLock;
use crate::content::Content;
use crate::photograph::Split;

/// A photograph with the same content at another path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Path before.
    pub from: String,
    /// Path after.
    pub to: String,
}

/// A photograph with another value of one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// Path after.
    pub path: String,
    /// Value before; none where it had none.
    pub from: Option<String>,
    /// Value after.
    pub to: Option<String>,
}

/// Photographs of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ClassCount {
    /// Before.
    pub before: usize,
    /// After.
    pub after: usize,
}

/// Everything that differs, each list sorted by path.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DataChanges {
    /// Photographs that were not there.
    pub added: Vec<Content>,
    /// Photographs that are not there any more.
    pub removed: Vec<Content>,
    /// Same path, other bytes: the SHA-256 before and after.
    pub changed: Vec<FieldChange>,
    /// Same bytes, other path.
    pub moved: Vec<Moved>,
    /// Photographs, at the same path or moved, of another class.
    pub class_changed: Vec<FieldChange>,
    /// Photographs, at the same path or moved, of another group.
    pub group_changed: Vec<FieldChange>,
    /// Photographs, at the same path or moved, in another split.
    pub split_changed: Vec<FieldChange>,
    /// Class → photographs before and after, every class of either side.
    pub classes: BTreeMap<String, ClassCount>,
}

fn by_path(lock: &DataLock) -> BTreeMap<&str, &Content> {
    let contents = lock.photographs().iter().map(|locked| &locked.content);
    contents
        .map(|content| (content.path.as_str(), content))
        .collect()
}

impl DataChanges {
    pub(super) fn between(before: &DataLock, after: &DataLock) -> Self {
        let (old, new) = (by_path(before), by_path(after));
        let mut changes = Self::default();
        for (class, n) in before.classes() {
            changes.classes.entry(class).or_default().before = n;
        }
        for (class, n) in after.classes() {
            changes.classes.entry(class).or_default().after = n;
        }
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        for (path, content) in &old {
            if !new.contains_key(path) {
                gone.push(*content);
            }
        }
        for (path, content) in &new {
            let Some(earlier) = old.get(path) else {
                come.push(*content);
                continue;
            };
            if earlier.sha256 != content.sha256 {
                changes.changed.push(FieldChange {
                    path: (*path).to_owned(),
                    from: Some(earlier.sha256.clone()),
                    to: Some(content.sha256.clone()),
                });
            }
            changes.compare_fields(earlier, content);
        }
        changes.pair(&gone, &come);
        for list in [
            &mut changes.class_changed,
            &mut changes.group_changed,
            &mut changes.split_changed,
        ] {
            list.sort_by(|a, b| a.path.cmp(&b.path));
        }
        changes
    }

    /// Pairs what vanished with what appeared by content; of several copies, those of one class first.
    fn pair(&mut self, gone: &[&Content], come: &[&Content]) {
        let mut waiting: HashMap<&str, VecDeque<&Content>> = HashMap::new();
        // The empty digest is that of a file that could not be read: it proves nothing.
        for content in gone.iter().filter(|content| !content.sha256.is_empty()) {
            waiting
                .entry(&content.sha256)
                .or_default()
                .push_back(content);
        }
        let (mut left, mut arrived) = (BTreeSet::new(), BTreeSet::new());
        for same_class in [true, false] {
            for content in come {
                if arrived.contains(content.path.as_str()) {
                    continue;
                }
                let Some(candidates) = waiting.get_mut(content.sha256.as_str()) else {
                    continue;
                };
                let fitting = candidates
                    .iter()
                    .position(|earlier| !same_class || earlier.class == content.class);
                if let Some(earlier) = fitting.and_then(|index| candidates.remove(index)) {
                    left.insert(earlier.path.as_str());
                    arrived.insert(content.path.as_str());
                    self.moved.push(Moved {
                        from: earlier.path.clone(),
                        to: content.path.clone(),
                    });
                    self.compare_fields(earlier, content);
                }
            }
        }
        self.moved.sort_by(|a, b| a.to.cmp(&b.to));
        let unpaired = |list: &[&Content], paired: &BTreeSet<&str>| -> Vec<Content> {
            list.iter()
                .filter(|content| !paired.contains(content.path.as_str()))
                .map(|content| (*content).clone())
                .collect()
        };
        self.removed = unpaired(gone, &left);
        self.added = unpaired(come, &arrived);
    }

    fn compare_fields(&mut self, earlier: &Content, content: &Content) {
        let split = |content: &Content| content.split.map(|it: Split| it.as_str().to_owned());
        let fields = [
            (
                &mut self.class_changed,
                Some(earlier.class.clone()),
                Some(content.class.clone()),
            ),
            (
                &mut self.group_changed,
                earlier.group.clone(),
                content.group.clone(),
            ),
            (&mut self.split_changed, split(earlier), split(content)),
        ];
        for (list, from, to) in fields {
            if from != to {
                list.push(FieldChange {
                    path: content.path.clone(),
                    from,
                    to,
                });
            }
        }
    }

    /// Whether nothing differs, that is, whether the data digests are equal.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.changed.is_empty()
            && self.moved.is_empty()
            && self.class_changed.is_empty()
            && self.group_changed.is_empty()
            && self.split_changed.is_empty()
    }

    /// How many of which kind, such as `2 added, 1 changed`; `nothing differs` for none.
    pub fn summary(&self) -> String {
        let counts = [
            (self.added.len(), "added"),
            (self.removed.len(), "removed"),
            (self.changed.len(), "changed"),
            (self.moved.len(), "moved"),
            (self.class_changed.len(), "in another class"),
            (self.group_changed.len(), "in another group"),
            (self.split_changed.len(), "in another split"),
        ];
        let words: Vec<String> = counts
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| format!("{n} {what}"))
            .collect();
        if words.is_empty() {
            "nothing differs".to_owned()
        } else {
            words.join(", ")
        }
    }

    /// One line for each difference, at most `n_each` of a kind, and how many more there are.
    pub fn lines(&self, n_each: usize) -> Vec<String> {
        let one = |what: &str, changes: &[FieldChange]| -> Vec<String> {
            let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
            let lines = changes.iter().map(|change| {
                format!(
                    "{what:<8} {}: {} → {}",
                    change.path,
                    word(&change.from),
                    word(&change.to)
                )
            });
            lines.collect()
        };
        let kinds = [
            self.added
                .iter()
                .map(|it| format!("added    {}", it.path))
                .collect(),
            self.removed
                .iter()
                .map(|it| format!("removed  {}", it.path))
                .collect(),
            self.changed
                .iter()
                .map(|it| match it.to.as_deref() {
                    Some("") => format!("unread   {}: it cannot be read", it.path),
                    _ => format!("changed  {}", it.path),
                })
                .collect(),
            self.moved
                .iter()
                .map(|it| format!("moved    {} → {}", it.from, it.to))
                .collect(),
            one("class", &self.class_changed),
            one("group", &self.group_changed),
            one("split", &self.split_changed),
        ];
        let mut lines = Vec::new();
        for kind in kinds {
            let kind: Vec<String> = kind;
            let n_more = kind.len().saturating_sub(n_each);
            let word = kind
                .first()
                .and_then(|line| line.split_whitespace().next())
                .unwrap_or_default()
                .to_owned();
            lines.extend(kind.into_iter().take(n_each));
            if n_more > 0 {
                lines.push(format!("{word:<8} and {n_more} more"));
            }
        }
        lines
    }
}
