//! One Parquet part file: columns `photo_digest`, `view`, `embedding` and `checksum`.
//!
//! The checksum is over the row's own content: Parquet notices a torn file, not a flipped bit.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt64Type};
use arrow_array::{
    Array as _, FixedSizeListArray, Float32Array, RecordBatch, StringArray, UInt64Array,
};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use sha2::{Digest, Sha256};

use crate::error::TrainingError;

/// One embedding in the store.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) photo_digest: String,
    pub(super) view: String,
    pub(super) embedding: Vec<f32>,
}

fn checksum(photo_digest: &str, view: &str, embedding: &[f32]) -> u64 {
    let mut hash = Sha256::new();
    hash.update(photo_digest.as_bytes());
    hash.update(view.as_bytes());
    for value in embedding {
        hash.update(value.to_le_bytes());
    }
    let digest = hash.finalize();
    digest[..8]
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// File name from the content, so that writing the same rows twice leaves one file.
pub(super) fn name(rows: &[Row]) -> String {
    let checksums = rows
        .iter()
        .map(|row| checksum(&row.photo_digest, &row.view, &row.embedding));
    name_of(checksums)
}

fn name_of(checksums: impl Iterator<Item = u64>) -> String {
    let mut hash = Sha256::new();
    for checksum in checksums {
        hash.update(checksum.to_le_bytes());
    }
    format!("part-{}.parquet", hex::encode(&hash.finalize()[..12]))
}

/// Writes all rows; all embeddings have the same width.
pub(super) fn write(path: &Path, rows: &[Row]) -> Result<(), TrainingError> {
    let content = to_bytes(rows).map_err(|reason| TrainingError::Store {
        path: path.to_owned(),
        reason,
    })?;
    let temporary = path.with_extension(format!("writing-{}", std::process::id()));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(&content)?;
        file.sync_all()
    });
    written.map_err(TrainingError::file("cannot write", &temporary))?;
    fs::rename(&temporary, path).map_err(TrainingError::file("cannot rename", &temporary))
}

/// The content of a part file.
pub(super) fn to_bytes(rows: &[Row]) -> Result<Vec<u8>, String> {
    let batch = to_batch(rows).map_err(|error| error.to_string())?;
    let write = || {
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None)?;
        writer.write(&batch)?;
        writer.into_inner()
    };
    write().map_err(|error: ParquetError| error.to_string())
}

fn to_batch(rows: &[Row]) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let width = rows.first().map_or(0, |row| row.embedding.len()) as i32;
    let values: Float32Array = rows
        .iter()
        .flat_map(|row| row.embedding.iter().copied())
        .collect();
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let schema = Schema::new(vec![
        Field::new("photo_digest", DataType::Utf8, false),
        Field::new("view", DataType::Utf8, false),
        Field::new(
            "embedding",
            DataType::FixedSizeList(Arc::clone(&item), width),
            false,
        ),
        Field::new("checksum", DataType::UInt64, false),
    ]);
    let digests: StringArray = rows
        .iter()
        .map(|row| Some(row.photo_digest.as_str()))
        .collect();
    let views: StringArray = rows.iter().map(|row| Some(row.view.as_str())).collect();
    let checksums: UInt64Array = rows
        .iter()
        .map(|row| checksum(&row.photo_digest, &row.view, &row.embedding))
        .collect();
    let embeddings = FixedSizeListArray::try_new(item, width, Arc::new(values), None)?;
    RecordBatch::try_new(
        Arc::new(schema),
        vec![
            Arc::new(digests),
            Arc::new(views),
            Arc::new(embeddings),
            Arc::new(checksums),
        ],
    )
}

/// The rows whose view is wanted, or why the file cannot be trusted: other machines write such files too, so all
/// of it is looked at. `width` is that of the backbone's embeddings, where it is known.
pub(super) fn read(
    path: &Path,
    width: Option<usize>,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Row>, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(|e| e.to_string())?;
    let (mut rows, mut checksums) = (Vec::new(), Vec::new());
    for batch in reader {
        let batch = batch.map_err(|e| e.to_string())?;
        from_batch(&batch, width, &mut |row, checksum| {
            checksums.push(checksum);
            if is_wanted(&row.view) {
                rows.push(row);
            }
        })?;
    }
    let name = name_of(checksums.into_iter());
    if path.file_name().is_none_or(|own| own != name.as_str()) {
        return Err(format!("its content is that of {name}"));
    }
    Ok(rows)
}

fn from_batch(
    batch: &RecordBatch,
    width: Option<usize>,
    take: &mut dyn FnMut(Row, u64),
) -> Result<(), String> {
    let column = |name: &str| {
        batch
            .column_by_name(name)
            .ok_or(format!("no column {name}"))
    };
    let wrong = |name: &str| format!("column {name} has an unexpected type");
    let digests = column("photo_digest")?
        .as_string_opt::<i32>()
        .ok_or(wrong("photo_digest"))?;
    let views = column("view")?
        .as_string_opt::<i32>()
        .ok_or(wrong("view"))?;
    let embeddings = column("embedding")?
        .as_fixed_size_list_opt()
        .ok_or(wrong("embedding"))?;
    let checksums = column("checksum")?
        .as_primitive_opt::<UInt64Type>()
        .ok_or(wrong("checksum"))?;
    // A fixed-size list: what one row has, all have.
    let own_width = usize::try_from(embeddings.value_length()).unwrap_or_default();
    if let Some(width) = width.filter(|width| *width != own_width) {
        return Err(format!(
            "its embeddings have {own_width} values, the backbone's have {width}"
        ));
    }
    if [
        digests.null_count(),
        views.null_count(),
        embeddings.null_count(),
    ] != [0; 3]
    {
        return Err("it has rows without a value".to_owned());
    }
    for i in 0..batch.num_rows() {
        let item = embeddings.value(i);
        let values = item
            .as_primitive_opt::<Float32Type>()
            .ok_or(wrong("embedding"))?;
        let row = Row {
            photo_digest: digests.value(i).to_owned(),
            view: views.value(i).to_owned(),
            embedding: values.values().to_vec(),
        };
        let checksum = checksum(&row.photo_digest, &row.view, &row.embedding);
        if checksum != checksums.value(i) {
            return Err(format!("row {i} does not match its checksum"));
        }
        if !row.embedding.iter().all(|value| value.is_finite()) {
            return Err(format!("row {i} has a value that is no finite number"));
        }
        take(row, checksum);
    }
    Ok(())
}
