//! The journal as a table. Flat columns: pandas, Spark, `DuckDB` and a spreadsheet read them alike.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{Format, Row, journal};

/// Rows handed to the Parquet writer at once.
const ROWS_PER_BATCH: usize = 4096;
/// Rows of a group, which the writer holds in memory, encoded.
const ROWS_PER_GROUP: usize = 65_536;

/// A cell of the table.
enum Cell<'a> {
    Text(Option<&'a str>),
    Number(Option<f64>),
    Flag(Option<bool>),
}

/// Every column by its name, and its value in a row. The types are those of [`cells`] of any row.
const COLUMNS: [&str; 15] = [
    "path",
    "predicted_class",
    "predicted_label",
    "confidence",
    "is_confident",
    "top_2_class",
    "top_2_label",
    "top_2_probability",
    "top_3_class",
    "top_3_label",
    "top_3_probability",
    "model_version",
    "model_digest",
    "error_kind",
    "error",
];

fn cells(row: &Row) -> [Cell<'_>; COLUMNS.len()] {
    let reply = row.reply.as_ref();
    let candidate = |n: usize| reply.and_then(|reply| reply.top_3_predictions.get(n));
    let class = |n| Cell::Text(candidate(n).map(|it| it.class.as_str()));
    let label = |n| Cell::Text(candidate(n).map(|it| it.label.as_str()));
    let probability = |n| Cell::Number(candidate(n).map(|it| it.probability));
    [
        Cell::Text(Some(&row.path)),
        Cell::Text(reply.map(|it| it.predicted_class.as_str())),
        Cell::Text(reply.map(|it| it.predicted_label.as_str())),
        Cell::Number(reply.map(|it| it.confidence)),
        Cell::Flag(reply.map(|it| it.is_confident)),
        class(1),
        label(1),
        probability(1),
        class(2),
        label(2),
        probability(2),
        Cell::Text(reply.map(|it| it.model_version.as_str())),
        Cell::Text(row.model_digest.as_deref()),
        Cell::Text(row.error_kind.as_deref()),
        Cell::Text(row.error.as_deref()),
    ]
}

/// Rows as a batch with the table's columns, in their order.
pub fn to_batch(rows: &[Row]) -> Result<RecordBatch, ArrowError> {
    let mut columns = builders();
    for row in rows {
        for (builder, cell) in columns.iter_mut().zip(cells(row)) {
            builder.append(cell);
        }
    }
    batch(&schema(), &mut columns)
}

/// Writes the table of a journal to a new file, and has it on the disk.
pub(super) fn write(journal: &Path, to: &Path, format: Format) -> io::Result<()> {
    match format {
        // The journal is that table already.
        Format::JsonLines => std::fs::copy(journal, to).map(drop)?,
        Format::Csv => write_csv(journal, to)?,
        Format::Parquet => write_parquet(journal, to)?,
    }
    File::open(to)?.sync_all()
}

fn write_csv(journal: &Path, to: &Path) -> io::Result<()> {
    let mut table = csv::Writer::from_path(to)?;
    table.write_record(COLUMNS)?;
    for row in journal::rows(journal)? {
        let row = row?;
        let texts = cells(&row).map(|cell| match cell {
            Cell::Text(text) => text.unwrap_or_default().to_owned(),
            Cell::Number(number) => number.map(|it| it.to_string()).unwrap_or_default(),
            Cell::Flag(flag) => flag.map(|it| it.to_string()).unwrap_or_default(),
        });
        table.write_record(&texts)?;
    }
    table.flush()
}

fn write_parquet(journal: &Path, to: &Path) -> io::Result<()> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
        .build();
    let schema = schema();
    let file = File::create_new(to)?;
    let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))?;
    let mut columns = builders();
    let mut n = 0;
    for row in journal::rows(journal)? {
        let row = row?;
        for (builder, cell) in columns.iter_mut().zip(cells(&row)) {
            builder.append(cell);
        }
        n += 1;
        if n == ROWS_PER_BATCH {
            writer.write(&batch(&schema, &mut columns).map_err(io::Error::other)?)?;
            n = 0;
        }
    }
    writer.write(&batch(&schema, &mut columns).map_err(io::Error::other)?)?;
    writer.close()?;
    Ok(())
}

enum Builder {
    Text(StringBuilder),
    Number(Float64Builder),
    Flag(BooleanBuilder),
}

impl Builder {
    fn append(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Self::Text(builder), Cell::Text(text)) => builder.append_option(text),
            (Self::Number(builder), Cell::Number(number)) => builder.append_option(number),
            (Self::Flag(builder), Cell::Flag(flag)) => builder.append_option(flag),
            // Builders are made after the cells of a row, whose types are always the same.
            _ => unreachable!("a column has one type"),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Number(builder) => Arc::new(builder.finish()),
            Self::Flag(builder) => Arc::new(builder.finish()),
        }
    }
}

fn no_row() -> Row {
    Row {
        path: String::new(),
        reply: None,
        model_digest: None,
        error: None,
        error_kind: None,
    }
}

fn builders() -> Vec<Builder> {
    let builder = |cell| match cell {
        Cell::Text(_) => Builder::Text(StringBuilder::new()),
        Cell::Number(_) => Builder::Number(Float64Builder::new()),
        Cell::Flag(_) => Builder::Flag(BooleanBuilder::new()),
    };
    cells(&no_row()).map(builder).into()
}

fn schema() -> Arc<Schema> {
    let row = no_row();
    let fields = COLUMNS.iter().zip(cells(&row)).map(|(name, cell)| {
        let data_type = match cell {
            Cell::Text(_) => DataType::Utf8,
            Cell::Number(_) => DataType::Float64,
            Cell::Flag(_) => DataType::Boolean,
        };
        Field::new(*name, data_type, *name != "path")
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn batch(schema: &Arc<Schema>, columns: &mut [Builder]) -> Result<RecordBatch, ArrowError> {
    let arrays = columns.iter_mut().map(Builder::finish).collect();
    RecordBatch::try_new(Arc::clone(schema), arrays)
}
