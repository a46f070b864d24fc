//! `manifest.csv`: what is known of each photograph beside its folder, above all its group.
//!
//! Reads what people's programs write: commas, semicolons or tabs, with or without a byte-order mark,
//! backslashes in paths. A broken row is a problem; only a file of which nothing can be used is an error.

use std::collections::HashMap;

use csv::StringRecord;
use fishid_taxonomy::slug_from_name;

use crate::DatasetError;
use crate::photograph::Photograph;
use crate::problem::{Problem, ProblemKind};

/// Name of the file.
pub(crate) const FILE_NAME: &str = "manifest.csv";
/// The group column that need not be there.
pub(crate) const DEFAULT_GROUP_COLUMN: &str = "group";

#[derive(Debug)]
pub(crate) struct Manifest {
    pub columns: Vec<String>,
    pub rows: Vec<Row>,
    pub problems: Vec<Problem>,
    group_column: Option<usize>,
    class_column: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct Row {
    pub line: u64,
    /// With `/`, relative to the manifest.
    pub path: String,
    pub record: StringRecord,
}

impl Manifest {
    /// Parses the bytes of the manifest at `full_path`.
    pub(crate) fn parse(
        bytes: &[u8],
        full_path: &str,
        group_column: &str,
    ) -> Result<Self, DatasetError> {
        let failed = |line: u64, reason: String| DatasetError::Manifest {
            path: full_path.to_owned(),
            line,
            reason,
        };
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter(bytes))
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(bytes);
        let header = reader
            .headers()
            .map_err(|_| {
                failed(
                    1,
                    "the header is not UTF-8 text; save the table as CSV in UTF-8".to_owned(),
                )
            })?
            .clone();
        let columns: Vec<String> = header.iter().map(str::to_owned).collect();
        let column = |name: &str| {
            columns
                .iter()
                .position(|column| column.eq_ignore_ascii_case(name))
        };
        let Some(path_column) = column("path") else {
            return Err(failed(
                1,
                format!(
                    "there is no column `path`; the columns are {}",
                    columns.join(", ")
                ),
            ));
        };
        let (group, class_column) = (column(group_column), column("class"));
        let mut problems = Vec::new();
        if group.is_none() {
            if !group_column.eq_ignore_ascii_case(DEFAULT_GROUP_COLUMN) {
                return Err(DatasetError::NoGroupColumn {
                    path: full_path.to_owned(),
                    column: group_column.to_owned(),
                    columns: columns.join(", "),
                });
            }
            problems.push(Problem::warning(
                ProblemKind::ManifestNoGroup,
                FILE_NAME,
                format!("it has no column `{group_column}`, so near-duplicate photographs are the groups; its columns are {}", columns.join(", ")),
            ));
        }
        let mut rows = Vec::new();
        for record in reader.byte_records() {
            let record = record.map_err(|error| failed(0, error.to_string()))?;
            let line = record.position().map_or(0, csv::Position::line);
            match row(record, &columns, path_column, line) {
                Ok(row) => rows.push(row),
                Err(reason) => problems.push(Problem::error(
                    ProblemKind::ManifestRow,
                    FILE_NAME,
                    format!("line {line}: {reason}; the row is left out"),
                )),
            }
        }
        Ok(Self {
            columns,
            rows,
            problems,
            group_column: group,
            class_column,
        })
    }

    /// Fills in the groups of `photographs` (sorted by path) and returns the problems found, with the row of
    /// each photograph. Fails when no row names any of the photographs.
    pub(crate) fn attach(
        &self,
        photographs: &mut [Photograph],
        full_path: &str,
    ) -> Result<(Vec<Problem>, Vec<Option<usize>>), DatasetError> {
        let mut problems = self.problems.clone();
        let mut row_of: Vec<Option<usize>> = vec![None; photographs.len()];
        let by_path: HashMap<String, usize> = photographs
            .iter()
            .enumerate()
            .map(|(index, photo)| (photo.path.clone(), index))
            .collect();
        let mut missing = Vec::new();
        for (index, row) in self.rows.iter().enumerate() {
            let Some(&at) = by_path.get(&row.path) else {
                missing.push(row);
                continue;
            };
            if let Some(earlier) = row_of[at] {
                problems.push(self.duplicate(&self.rows[earlier], row));
                continue;
            }
            row_of[at] = Some(index);
            photographs[at].group = self.group(row);
            problems.extend(self.contradiction(row, &photographs[at]));
        }
        if let Some(first) = missing.first().filter(|_| missing.len() == self.rows.len()) {
            return Err(DatasetError::Manifest {
                path: full_path.to_owned(),
                line: first.line,
                reason: format!(
                    "none of the {} rows names a photograph of this folder; `{}` should be relative to it, like `{}`",
                    self.rows.len(),
                    first.path,
                    photographs.first().map_or("", |photo| photo.path.as_str())
                ),
            });
        }
        problems.extend(missing.into_iter().map(|row| {
            let detail = format!("{FILE_NAME}, line {}, names this file, but it does not exist; delete the row or put the file back", row.line);
            Problem::error(ProblemKind::ManifestMissingFile, &row.path, detail)
        }));
        for (photo, row) in photographs.iter().zip(&row_of) {
            if row.is_none() {
                let detail = format!(
                    "{FILE_NAME} has no row for it, so its group is not known; add one, or delete the file"
                );
                problems.push(Problem::error(
                    ProblemKind::ManifestMissingRow,
                    &photo.path,
                    detail,
                ));
            } else if photo.group.is_none() && self.group_column.is_some() {
                let detail = format!(
                    "its row in {FILE_NAME} has no group; only near-duplicates are kept on its side of a split"
                );
                problems.push(Problem::warning(
                    ProblemKind::ManifestNoGroup,
                    &photo.path,
                    detail,
                ));
            }
        }
        Ok((problems, row_of))
    }

    /// The group of a row, if the column is there and the cell is not empty.
    pub(crate) fn group(&self, row: &Row) -> Option<String> {
        row.record
            .get(self.group_column?)
            .filter(|group| !group.is_empty())
            .map(str::to_owned)
    }

    fn duplicate(&self, earlier: &Row, row: &Row) -> Problem {
        let lines = format!(
            "{FILE_NAME} names it in line {} and again in line {}",
            earlier.line, row.line
        );
        if self.group(earlier) == self.group(row) {
            Problem::warning(
                ProblemKind::ManifestDuplicateRow,
                &row.path,
                format!("{lines}, with the same group; delete one"),
            )
        } else {
            Problem::error(
                ProblemKind::ManifestDuplicateRow,
                &row.path,
                format!("{lines}, with another group; the first is used, delete the wrong one"),
            )
        }
    }

    fn contradiction(&self, row: &Row, photo: &Photograph) -> Option<Problem> {
        let class = row
            .record
            .get(self.class_column?)
            .filter(|class| !class.is_empty())?;
        if class == photo.class || slug_from_name(class) == slug_from_name(&photo.class) {
            return None;
        }
        let detail = format!(
            "{FILE_NAME}, line {}, says `{class}`, its folder says `{}`; the folder is used, put the wrong one right",
            row.line, photo.class
        );
        Some(Problem::error(ProblemKind::LabelClash, &photo.path, detail))
    }
}

fn row(
    record: csv::ByteRecord,
    columns: &[String],
    path_column: usize,
    line: u64,
) -> Result<Row, String> {
    let n_cells = record.len();
    let record = StringRecord::from_byte_record(record)
        .map_err(|_| "it is not UTF-8 text; save the table as CSV in UTF-8".to_owned())?;
    if record.iter().any(|cell| cell.contains('\n')) {
        return Err("a quote (\") is opened and not closed in its line".to_owned());
    }
    if n_cells != columns.len() {
        return Err(format!(
            "it has {n_cells} cells, the header has {}",
            columns.len()
        ));
    }
    let path = record
        .get(path_column)
        .unwrap_or_default()
        .replace('\\', "/");
    let path = path.trim_start_matches("./").trim_start_matches('/');
    if path.is_empty() {
        return Err("its path is empty".to_owned());
    }
    Ok(Row {
        line,
        path: path.to_owned(),
        record,
    })
}

/// A spreadsheet in a language with decimal commas writes semicolons.
fn delimiter(bytes: &[u8]) -> u8 {
    let header = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    [b',', b';', b'\t']
        .into_iter()
        .find(|delimiter| header.contains(delimiter))
        .unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn photographs(paths: &[&str]) -> Vec<Photograph> {
        let class = |path: &str| path.split('/').next().unwrap().to_owned();
        paths
            .iter()
            .map(|path| Photograph {
                path: (*path).to_owned(),
                class: class(path),
                group: None,
                split: None,
            })
            .collect()
    }

    /// Groups of `a/1.jpg`, `a/2.jpg` and `b/3.jpg`, and the kinds and paths of the problems.
    fn check(text: &str, groups: [Option<&str>; 3], expected: &[(&str, ProblemKind)]) {
        let manifest = Manifest::parse(text.as_bytes(), "fish/manifest.csv", "group").unwrap();
        let mut photos = photographs(&["a/1.jpg", "a/2.jpg", "b/3.jpg"]);
        let (problems, _) = manifest.attach(&mut photos, "fish/manifest.csv").unwrap();
        assert_eq!(
            photos
                .iter()
                .map(|p| p.group.as_deref())
                .collect::<Vec<_>>(),
            groups
        );
        assert_eq!(
            problems
                .iter()
                .map(|p| (p.path.as_str(), p.kind))
                .collect::<Vec<_>>(),
            expected
        );
    }

    fn check_error(text: &[u8], column: &str, words: &[&str]) {
        let result = Manifest::parse(text, "fish/manifest.csv", column)
            .and_then(|m| m.attach(&mut photographs(&["a/1.jpg"]), "fish/manifest.csv"));
        let message = result.unwrap_err().to_string();
        for word in words {
            assert!(message.contains(word), "`{word}` is missing in: {message}");
        }
    }

    #[test]
    fn groups_are_read_whatever_program_wrote_the_table() {
        let all = [Some("x"), Some("x"), Some("y")];
        check(
            "path,class,group\na/1.jpg,a,x\na/2.jpg,a,x\nb/3.jpg,b,y\n",
            all,
            &[],
        );
        check(
            "\u{feff}path;class;group\r\na\\1.jpg;A;x\r\n.\\a\\2.jpg;a;x\r\n\"b/3.jpg\";b; y \r\n",
            all,
            &[],
        );
        check(
            "group\tpath\nx\ta/1.jpg\nx\ta/2.jpg\ny\tb/3.jpg\n",
            all,
            &[],
        );
    }

    #[test]
    fn each_disagreement_with_the_folders_is_one_problem() {
        check(
            "path,class,group\na/1.jpg,b,x\na/1.jpg,a,y\na/2.jpg,a,\nc/9.jpg,c,z\n",
            [Some("x"), None, None],
            &[
                ("a/1.jpg", ProblemKind::LabelClash),
                ("a/1.jpg", ProblemKind::ManifestDuplicateRow),
                ("c/9.jpg", ProblemKind::ManifestMissingFile),
                ("a/2.jpg", ProblemKind::ManifestNoGroup),
                ("b/3.jpg", ProblemKind::ManifestMissingRow),
            ],
        );
    }

    #[test]
    fn a_broken_row_is_reported_with_its_line_and_the_others_are_used() {
        let text = "path,class,group\na/1.jpg,a\na/2.jpg,a,x\nb/3.jpg,b,y\n";
        check(
            text,
            [None, Some("x"), Some("y")],
            &[
                ("manifest.csv", ProblemKind::ManifestRow),
                ("a/1.jpg", ProblemKind::ManifestMissingRow),
            ],
        );
        let manifest = Manifest::parse(text.as_bytes(), "m", "group").unwrap();
        assert!(
            manifest.problems[0]
                .detail
                .starts_with("line 2: it has 2 cells, the header has 3"),
            "{:?}",
            manifest.problems
        );
        let quoted = Manifest::parse(
            b"path,class,group\n\"a/1.jpg,a,x\na/2.jpg,a,x\n",
            "m",
            "group",
        )
        .unwrap();
        assert!(
            quoted.problems[0].detail.contains("not closed"),
            "{:?}",
            quoted.problems
        );
    }

    #[test]
    fn without_the_default_group_column_the_other_columns_are_used() {
        check(
            "path,class\na/1.jpg,a\na/2.jpg,a\nb/3.jpg,b\n",
            [None; 3],
            &[("manifest.csv", ProblemKind::ManifestNoGroup)],
        );
    }

    #[test]
    fn a_table_of_which_nothing_can_be_used_is_an_error_with_the_line() {
        check_error(
            b"file,class\n1.jpg,a\n",
            "group",
            &[
                "fish/manifest.csv, line 1",
                "no column `path`",
                "file, class",
            ],
        );
        check_error(
            b"path,class\na/1.jpg,a\n",
            "video",
            &["no column `video`", "path, class"],
        );
        check_error(b"path,\xcf\xf0\n1,2\n", "group", &["line 1", "UTF-8"]);
        check_error(
            b"path,class,group\n/data/a/1.jpg,a,x\n",
            "group",
            &["line 2", "data/a/1.jpg", "like `a/1.jpg`"],
        );
    }
}
