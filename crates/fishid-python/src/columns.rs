//! Columns by their names: those that come in, and batches made of those that go out.

use std::sync::Arc;

use anyhow::Context as _;
use arrow_array::cast::AsArray as _;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};
use fishid::InputError;

/// A text column that has a value in every row.
pub fn texts(batch: &RecordBatch, name: &str) -> anyhow::Result<Vec<String>> {
    let column = batch
        .column_by_name(name)
        .and_then(|column| column.as_string_opt::<i32>())
        .ok_or_else(|| InputError(format!("there is no text column `{name}`")))?;
    column
        .iter()
        .map(|text| text.map(str::to_owned))
        .collect::<Option<_>>()
        .ok_or_else(|| InputError(format!("column `{name}` has a row without a value")).into())
}

/// A column of lists of texts; `None` where the batch has none, or a row has none.
pub fn lists(batch: &RecordBatch, name: &str) -> anyhow::Result<Vec<Option<Vec<String>>>> {
    let Some(column) = batch.column_by_name(name) else {
        return Ok(vec![None; batch.num_rows()]);
    };
    let wrong = || InputError(format!("column `{name}` has no lists of texts"));
    let column = column.as_list_opt::<i32>().ok_or_else(wrong)?;
    let row = |list: Option<ArrayRef>| -> anyhow::Result<Option<Vec<String>>> {
        let Some(list) = list else { return Ok(None) };
        let texts = list.as_string_opt::<i32>().ok_or_else(wrong)?;
        let texts = texts.iter().map(|text| text.map(str::to_owned));
        Ok(Some(texts.collect::<Option<_>>().ok_or_else(wrong)?))
    };
    column.iter().map(row).collect()
}

/// A text column to send.
pub fn text_column<T: AsRef<str>>(texts: impl IntoIterator<Item = Option<T>>) -> ArrayRef {
    Arc::new(StringArray::from_iter(texts))
}

/// A batch of columns by name; those that may lack values are said by their arrays' types alone, so all may.
pub fn batch(columns: Vec<(&str, ArrayRef)>) -> anyhow::Result<RecordBatch> {
    let field = |(name, column): &(&str, ArrayRef)| {
        Field::new(*name, Array::data_type(column).clone(), true)
    };
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(Arc::new(schema), columns).context("the answer's columns do not fit")
}
