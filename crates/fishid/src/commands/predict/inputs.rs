//! What is named on the command line as a stream of photographs: folders, S3 prefixes, files.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fishid_prediction::scoring::Photograph;
use fishid_storage::{Storage, StorageError, Walked, is_hidden};

use crate::exit::{BlameInput as _, InputError};
use crate::photographs;

/// Of what cannot be listed, so many are named; the rest is counted.
const MOST_NAMED: usize = 10;

/// A folder or prefix, or one file of it.
#[derive(Clone)]
struct Input {
    place: Arc<Storage>,
    file: Option<String>,
}

/// Everything that was named, opened.
#[derive(Clone)]
pub struct Inputs {
    opened: Vec<Input>,
    names: Vec<String>,
    n_unlisted: Arc<AtomicUsize>,
}

pub fn is_remote(path: &Path) -> bool {
    path.to_string_lossy().contains("://")
}

impl Inputs {
    /// Refuses what is not there, and photographs that would be answered twice.
    pub fn open(named: &[PathBuf]) -> anyhow::Result<Self> {
        let here = std::env::current_dir()?;
        let mut folders: HashMap<PathBuf, Arc<Storage>> = HashMap::new();
        let (mut inputs, mut names, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        for path in named {
            let text = path.to_string_lossy();
            if is_remote(path) {
                inputs.push(Input {
                    place: open(&text)?,
                    file: None,
                });
                whole.push(PathBuf::from(text.trim_end_matches('/')));
                names.push(text.into_owned());
                continue;
            }
            let real = path.canonicalize().map_err(|error| {
                InputError(format!("{text}: no such photograph or folder ({error})"))
            })?;
            inputs.push(if real.is_dir() {
                Input {
                    place: open(&text)?,
                    file: None,
                }
            } else {
                let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
                let folder = folder.unwrap_or(Path::new(".")).to_owned();
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let place = match folders.get(&folder) {
                    Some(place) => Arc::clone(place),
                    None => open(&folder.to_string_lossy())?,
                };
                folders.insert(folder, Arc::clone(&place));
                Input {
                    place,
                    file: Some(name.into_owned()),
                }
            });
            whole.push(real);
            names.push(if path.is_absolute() {
                text.into_owned()
            } else {
                format!("{text} in {}", here.display())
            });
        }
        refuse_overlap(whole)?;
        Ok(Self {
            opened: inputs,
            names,
            n_unlisted: Arc::default(),
        })
    }

    /// What was named, so that the same names in another folder are told from these.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    pub fn is_remote(&self) -> bool {
        self.opened.iter().any(|input| input.place.is_remote())
    }

    /// What [`Inputs::photographs`] could not list.
    pub fn n_unlisted(&self) -> usize {
        self.n_unlisted.load(Ordering::Relaxed)
    }

    /// Every photograph, listed as it is asked for; what cannot be listed is said on standard error.
    pub fn photographs(
        &self,
    ) -> impl Iterator<Item = Result<Photograph, StorageError>> + Send + use<> {
        let n_unlisted = Arc::clone(&self.n_unlisted);
        let told = move |failure: &str| {
            let n = n_unlisted.fetch_add(1, Ordering::Relaxed);
            if n < MOST_NAMED {
                eprintln!("warning: cannot be listed: {failure}");
            }
        };
        self.listed().filter_map(move |listed| match listed {
            Ok(Ok(photograph)) => Some(Ok(photograph)),
            Ok(Err(failure)) => {
                told(&failure);
                None
            }
            Err(error) => Some(Err(error)),
        })
    }

    /// Counts the photographs with a listing of its own; whatever is wrong with it is the other one's to say.
    pub fn count(&self, mut so_far: impl FnMut(u64)) {
        let mut n = 0;
        for listed in self.listed() {
            n += u64::from(matches!(listed, Ok(Ok(_))));
            so_far(n);
        }
    }

    fn listed(
        &self,
    ) -> impl Iterator<Item = Result<Result<Photograph, String>, StorageError>> + Send + use<> {
        self.opened.clone().into_iter().flat_map(photographs_of)
    }
}

type Listed = Result<Result<Photograph, String>, StorageError>;

fn photographs_of(input: Input) -> Box<dyn Iterator<Item = Listed> + Send> {
    let Input { place, file } = input;
    let photograph = move |place: &Arc<Storage>, key: String| Photograph {
        path: place.full_path(&key),
        place: Arc::clone(place),
        key,
    };
    if let Some(name) = file {
        return Box::new(std::iter::once(Ok(Ok(photograph(&place, name)))));
    }
    let walk = match place.walk() {
        Ok(walk) => walk,
        Err(error) => return Box::new(std::iter::once(Err(error))),
    };
    Box::new(walk.filter_map(move |walked| match walked {
        Ok(Walked::File(file)) if is_wanted(&file.path) => {
            Some(Ok(Ok(photograph(&place, file.path))))
        }
        Ok(Walked::File(_)) => None,
        Ok(Walked::Unlisted(failure)) => Some(Ok(Err(failure))),
        Err(error) => Some(Err(error)),
    }))
}

fn is_wanted(key: &str) -> bool {
    photographs::is_photograph(Path::new(key)) && !key.split('/').any(is_hidden)
}

fn open(location: &str) -> anyhow::Result<Arc<Storage>> {
    Ok(Arc::new(
        Storage::open(location, &BTreeMap::new()).blame_input()?,
    ))
}

/// By components a folder stands right before what is in it.
fn refuse_overlap(mut paths: Vec<PathBuf>) -> Result<(), InputError> {
    paths.sort_unstable();
    match paths.windows(2).find(|pair| pair[1].starts_with(&pair[0])) {
        Some([outer, inner]) => Err(InputError(format!(
            "{} is in {} already; a table has every photograph once, so name it once",
            inner.display(),
            outer.display()
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_a_file_and_what_is_not_wanted_are_told_apart() {
        let root = tempfile::tempdir().unwrap();
        for name in [
            "a/1.JPG",
            "a/b/2.png",
            "a/.hidden/3.jpg",
            "a/notes.txt",
            "odd.bin",
        ] {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        let at = |name: &str| root.path().join(name);
        let inputs = Inputs::open(&[at("a"), at("odd.bin")]).unwrap();
        let mut found: Vec<String> = inputs.photographs().map(|it| it.unwrap().path).collect();
        found.sort();
        let wanted = ["a/1.JPG", "a/b/2.png", "odd.bin"].map(|it| at(it).display().to_string());
        assert_eq!(found, wanted);
        let mut n = 0;
        inputs.count(|so_far| n = so_far);
        assert_eq!((n, inputs.n_unlisted(), inputs.is_remote()), (3, 0, false));
    }

    #[test]
    fn what_would_be_answered_twice_is_refused() {
        let check = |paths: &[&str], is_refused: bool| {
            let paths = paths.iter().map(PathBuf::from).collect();
            assert_eq!(refuse_overlap(paths).is_err(), is_refused);
        };
        check(&["/a", "/b"], false);
        check(&["/a", "/a-b", "/a.jpg"], false);
        check(&["/a", "/a"], true);
        check(&["/a/b/c.jpg", "/a-b", "/a"], true);
        check(&["s3://fish/a", "s3://fish/a/b"], true);
        check(&["s3://fish/a", "s3://fish/ab"], false);
    }
}
