//! Batches as Arrow IPC streams, both ways.

use anyhow::Context as _;
use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;

/// The batches of a stream.
pub fn read(stream: &[u8]) -> anyhow::Result<Vec<RecordBatch>> {
    let reader = StreamReader::try_new(stream, None).context("this is no Arrow stream")?;
    let batches = reader.collect::<Result<_, _>>();
    batches.context("the Arrow stream is damaged")
}

/// A batch as a stream of its own.
pub fn write(batch: &RecordBatch) -> anyhow::Result<Vec<u8>> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
    writer.write(batch)?;
    Ok(writer.into_inner()?)
}
