//! Paths given on the command line: a folder stands for the photographs in it, at any depth, in order of
//! their names. Of devices, pipes and the like there are none, whatever their names. Folders are walked as they are needed, so that a million files need no list.

use std::fs::DirEntry;
use std::path::{Path, PathBuf};

/// File name endings that are taken from a folder; a file that is named itself may be called anything.
pub const EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

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
                .filter(is_wanted)
                .map(|entry| entry.path())
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

/// Whether its name is that of a photograph.
pub fn is_photograph(path: &Path) -> bool {
    let extension = path
        .extension()
        .map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

/// Links to folders are not followed: they may lead in a circle.
fn is_wanted(entry: &DirEntry) -> bool {
    let path = entry.path();
    let Ok(kind) = entry.file_type() else {
        return false;
    };
    if is_hidden(&path) {
        return false;
    }
    if kind.is_dir() {
        return true;
    }
    // A link that leads nowhere is handed on, and reading it says so.
    let leads_to_a_file = || path.metadata().map_or(true, |target| target.is_file());
    is_photograph(&path) && (kind.is_file() || kind.is_symlink() && leads_to_a_file())
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
    #[cfg(unix)]
    #[test]
    fn of_a_folder_only_regular_files_and_links_to_them_are_taken() {
        use std::os::unix::{fs::symlink, net::UnixListener};

        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::write(at("photo.jpg"), b"").unwrap();
        symlink(at("photo.jpg"), at("link.jpg")).unwrap();
        symlink(at("gone"), at("nowhere.jpg")).unwrap();
        symlink("/dev/zero", at("endless.jpg")).unwrap();
        symlink(root.path(), at("circle.jpg")).unwrap();
        let _socket = UnixListener::bind(at("socket.jpg")).unwrap();
        let found: Vec<PathBuf> = expand(vec![root.path().to_path_buf()]).take(9).collect();
        assert_eq!(found, ["link.jpg", "nowhere.jpg", "photo.jpg"].map(at));
    }
}
