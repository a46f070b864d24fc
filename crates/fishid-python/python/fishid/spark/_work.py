"""What executors do with a chunk; each gives a short answer for the driver."""

import pyarrow as pa

import fishid
from fishid.spark._parts import put_table


def received(name):
    """Where a task finds what the driver has sent under this name."""
    from pyspark import SparkFiles

    return SparkFiles.get(name)


def inspect_into(place, spec, chunk):
    """Looks at a chunk with its column `part` and puts the inspections there."""
    batch = _one_batch(chunk)
    seen = fishid.inspect(batch, spec)
    put_table(pa.Table.from_batches([seen]), place, chunk.column("part")[0].as_py())
    return {"part": chunk.column("part")[0].as_py(), "n_errors": seen.num_rows - seen.column(2).null_count}


def embed_into_work(backbone, spec, chunk):
    """Embeds the views of a chunk; they are in the run's `work` place when this returns."""
    done = fishid.embed(_one_batch(chunk), spec, backbone=received(backbone), keep=True)
    rows = zip(done.column(0).to_pylist(), done.column(3).to_pylist())
    return {
        "n_views": sum(done.column(2).to_pylist()),
        "failed": [[path, error] for path, error in rows if error],
    }


def label_into(place, data, lang, chunk):
    """Answers a chunk with its column `part` and puts the answers there."""
    answers = fishid.label(_one_batch(chunk), data, bundle=received("bundle"), lang=lang)
    put_table(pa.Table.from_batches([answers]), place, chunk.column("part")[0].as_py())
    return {"n": answers.num_rows, "n_refused": answers.num_rows - answers.column("error_kind").null_count}


def _one_batch(chunk):
    (batch,) = chunk.to_batches()
    return batch
