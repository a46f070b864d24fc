//! From a listing of files to photographs with class and split: plain class folders, or `train`, `val` and
//! `test` of class folders. Does not open a file and does not know `manifest.csv`. Start at [`Layout::of`].

use std::collections::BTreeSet;

use fishid_storage::{Listing, is_hidden};

use crate::photograph::{Photograph, Split};
use crate::problem::{Problem, ProblemKind};
use crate::{DatasetError, Origin};

/// File that `data synth` leaves beside the class folders.
pub(crate) const SYNTHETIC_MARKER: &str = "synthetic.json";

const EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];
/// Pictures people have that are not read: said aloud, because silence would look like success.
const OTHER_PICTURES: [&str; 16] = [
    "heic", "heif", "avif", "tif", "tiff", "bmp", "gif", "jfif", "jpe", "jp2", "jxl", "dng", "cr2",
    "nef", "arw", "raw",
];

/// A data set as its folders tell it.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Sorted by path; groups not filled in.
    pub photographs: Vec<Photograph>,
    pub is_presplit: bool,
    pub origin: Origin,
    pub problems: Vec<Problem>,
}

impl Layout {
    pub(crate) fn of(listing: &Listing, location: &str) -> Result<Self, DatasetError> {
        let mut problems: Vec<Problem> = listing
            .failures
            .iter()
            .map(|reason| {
                Problem::warning(
                    ProblemKind::Unlisted,
                    "",
                    format!("could not be listed and is left out: {reason}"),
                )
            })
            .collect();
        let mut paths = Vec::new();
        let mut origin = Origin::Photographs;
        for file in &listing.files {
            if file.path == SYNTHETIC_MARKER {
                origin = Origin::Synthetic;
            }
            match Kind::of(&file.path) {
                Kind::Photograph => paths.push(file.path.as_str()),
                Kind::OtherPicture(extension) => problems.push(Problem::warning(
                    ProblemKind::UnsupportedFormat,
                    &file.path,
                    format!(".{extension} is not read and the file is left out; convert it to JPEG, PNG or WebP"),
                )),
                Kind::Else => {}
            }
        }
        paths.sort_unstable();
        if paths.is_empty() {
            return Err(DatasetError::Empty {
                location: location.to_owned(),
            });
        }
        let is_presplit = is_presplit(&paths, location)?;
        let mut photographs = Vec::with_capacity(paths.len());
        for path in &paths {
            match place(path, is_presplit) {
                Some(photograph) => photographs.push(photograph),
                None => problems.push(Problem::warning(
                    ProblemKind::NotInClassFolder,
                    *path,
                    "it stands outside the species folders and is left out; move it into the folder of its species",
                )),
            }
        }
        if photographs.is_empty() {
            return Err(DatasetError::NoClassFolders {
                location: location.to_owned(),
                example: paths[0].to_owned(),
            });
        }
        Ok(Self {
            photographs,
            is_presplit,
            origin,
            problems,
        })
    }
}

enum Kind<'a> {
    Photograph,
    OtherPicture(&'a str),
    Else,
}

impl<'a> Kind<'a> {
    fn of(path: &'a str) -> Self {
        let has = |list: &[&str], extension: &str| {
            list.iter()
                .any(|known| known.eq_ignore_ascii_case(extension))
        };
        match (path.split('/').any(is_hidden), path.rsplit_once('.')) {
            (false, Some((_, extension))) if has(&EXTENSIONS, extension) => Self::Photograph,
            (false, Some((_, extension))) if has(&OTHER_PICTURES, extension) => {
                Self::OtherPicture(extension)
            }
            _ => Self::Else,
        }
    }
}

/// Whether a file is taken for a photograph, by its name alone.
pub(crate) fn is_photograph(path: &str) -> bool {
    matches!(Kind::of(path), Kind::Photograph)
}

/// The split a folder name stands for; `valid` and `validation` are what other tools write for `val`.
pub(crate) fn split_of_folder(folder: &str) -> Option<Split> {
    match folder {
        "valid" | "validation" => Some(Split::Val),
        _ => folder.parse().ok(),
    }
}

fn is_presplit(paths: &[&str], location: &str) -> Result<bool, DatasetError> {
    let folders: BTreeSet<&str> = paths
        .iter()
        .filter_map(|path| path.split_once('/'))
        .map(|(folder, _)| folder)
        .collect();
    let split = folders
        .iter()
        .find(|folder| split_of_folder(folder).is_some());
    let class = folders
        .iter()
        .find(|folder| split_of_folder(folder).is_none());
    match (split, class) {
        (Some(split), Some(class)) => Err(DatasetError::MixedLayout {
            location: location.to_owned(),
            split: (*split).to_owned(),
            class: (*class).to_owned(),
        }),
        (Some(_), None) => Ok(true),
        (None, Some(only)) if folders.len() == 1 && holds_splits(paths, only) => {
            Err(DatasetError::OneFolderTooHigh {
                location: location.to_owned(),
                inner: format!("{}/{only}", location.trim_end_matches('/')),
            })
        }
        (None, _) => Ok(false),
    }
}

fn holds_splits(paths: &[&str], folder: &str) -> bool {
    let mut inner = paths
        .iter()
        .filter_map(|path| path.strip_prefix(folder)?.strip_prefix('/'));
    inner.all(|path| {
        path.split_once('/')
            .is_some_and(|(first, rest)| split_of_folder(first).is_some() && rest.contains('/'))
    })
}

fn place(path: &str, is_presplit: bool) -> Option<Photograph> {
    let (first, rest) = path.split_once('/')?;
    let (split, class) = if is_presplit {
        (split_of_folder(first), rest.split_once('/')?.0)
    } else {
        (None, first)
    };
    Some(Photograph {
        path: path.to_owned(),
        class: class.to_owned(),
        group: None,
        split,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use fishid_storage::Listed;

    fn layout(paths: &[&str]) -> Result<Layout, DatasetError> {
        let files = paths
            .iter()
            .map(|path| Listed {
                path: (*path).to_owned(),
                size: 1,
                version: String::new(),
            })
            .collect();
        Layout::of(
            &Listing {
                files,
                failures: Vec::new(),
            },
            "fish",
        )
    }

    fn check(paths: &[&str], expected: &[(&str, &str, Option<Split>)]) {
        let layout = layout(paths).unwrap();
        let found: Vec<_> = layout
            .photographs
            .iter()
            .map(|p| (p.path.as_str(), p.class.as_str(), p.split))
            .collect();
        assert_eq!(found, expected);
    }

    fn check_error(paths: &[&str], words: &[&str]) {
        let message = layout(paths).unwrap_err().to_string();
        for word in words {
            assert!(message.contains(word), "`{word}` is missing in: {message}");
        }
    }

    #[test]
    fn class_folders_name_the_class_and_nothing_else_is_taken() {
        check(
            &[
                "b/2.PNG",
                "a/1.jpg",
                "a/Щука 1.JPEG",
                "a/README.md",
                "LICENSE",
                "a/.DS_Store",
                "a/._1.jpg",
                "a/Thumbs.db",
                "x.csv",
                ".git/a.png",
                "__MACOSX/a/1.jpg",
            ],
            &[
                ("a/1.jpg", "a", None),
                ("a/Щука 1.JPEG", "a", None),
                ("b/2.PNG", "b", None),
            ],
        );
    }

    #[test]
    fn split_folders_give_the_split_and_deeper_folders_belong_to_their_class() {
        check(
            &[
                "train/a/1.webp",
                "val/a/day 1/2.jpg",
                "test/b/3.jpg",
                "validation/b/4.jpg",
            ],
            &[
                ("test/b/3.jpg", "b", Some(Split::Test)),
                ("train/a/1.webp", "a", Some(Split::Train)),
                ("val/a/day 1/2.jpg", "a", Some(Split::Val)),
                ("validation/b/4.jpg", "b", Some(Split::Val)),
            ],
        );
    }

    #[test]
    fn a_layout_that_cannot_be_meant_is_refused_with_the_one_expected() {
        check_error(&["README.md"], &["no photographs", "DIR/train"]);
        check_error(
            &["1.jpg", "2.jpg"],
            &["no species folders", "1.jpg", "perca_fluviatilis"],
        );
        check_error(&["train/1.jpg"], &["no species folders", "train/1.jpg"]);
        check_error(
            &["train/a/1.jpg", "perca/1.jpg"],
            &["train", "perca", "mixes"],
        );
        check_error(
            &[
                "processed_images/train/a/1.jpg",
                "processed_images/test/a/2.jpg",
            ],
            &["fish/processed_images"],
        );
    }

    #[test]
    fn pictures_left_out_are_reported() {
        let layout = layout(&["a/1.jpg", "a/2.HEIC", "stray.jpg"]).unwrap();
        let kinds: Vec<_> = layout
            .problems
            .iter()
            .map(|p| (p.path.as_str(), p.kind))
            .collect();
        assert_eq!(
            kinds,
            [
                ("a/2.HEIC", ProblemKind::UnsupportedFormat),
                ("stray.jpg", ProblemKind::NotInClassFolder)
            ]
        );
    }
}
