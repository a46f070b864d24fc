//! Paths given on the command line: a folder stands for the photographs in it, at any depth, in order of
//! their names. Folders are walked as they are needed, so that a million files need no list.

use std::path::{Path, PathBuf};

/// File name endings that are taken from a folder; a file that is named itself may be called anything.
const EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// Every photograph the paths stand for.
pub fn expand(paths: Vec<PathBuf>) -> impl Iterator<Item = PathBuf> + Send {
    Walk {
        pending: paths.into_iter().rev().collect(),
    }
}

struct Walk {
    /// Last first.
    pending: Vec<PathBuf>,
}

impl Iterator for Walk {
    type Item = PathBuf;

    fn next(&mut self) -> Option<PathBuf> {
        while let Some(path) = self.pending.pop() {
            if !path.is_dir() {
                return Some(path);
            }
            // A folder that cannot be listed is handed on, and reading it says why.
            let Ok(entries) = std::fs::read_dir(&path) else {
                return Some(path);
            };
            let mut inside: Vec<PathBuf> = entries
                .filter_map(Result::ok)
                .map(|entry| entry.path())
                .filter(|entry| {
                    !is_hidden(entry) && (is_photograph(entry) || is_real_folder(entry))
                })
                .collect();
            inside.sort_unstable_by(|a, b| b.cmp(a));
            self.pending.extend(inside);
        }
        None
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

fn is_photograph(path: &Path) -> bool {
    let extension = path
        .extension()
        .map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

/// Links to folders are not followed: they may lead in a circle.
fn is_real_folder(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|metadata| metadata.is_dir())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_for_its_photographs_in_order_and_a_named_file_for_itself() {
        let root = tempfile::tempdir().unwrap();
        for name in [
            "b/2.JPG",
            "b/1.png",
            "a/x/3.webp",
            "a/notes.txt",
            ".hidden/4.jpg",
            "strange.bin",
        ] {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        let given = vec![root.path().join("strange.bin"), root.path().to_path_buf()];
        let found: Vec<String> = expand(given)
            .map(|path| {
                path.strip_prefix(root.path())
                    .unwrap()
                    .display()
                    .to_string()
            })
            .collect();
        assert_eq!(found, ["strange.bin", "a/x/3.webp", "b/1.png", "b/2.JPG"]);
    }
}
