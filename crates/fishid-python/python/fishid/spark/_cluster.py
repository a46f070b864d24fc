"""A Spark application: files brought to its executors, chunks worked on, progress."""

import functools
import json
import tempfile
import time
import zipfile
from pathlib import Path

import pyarrow as pa

import fishid
from fishid.spark._progress import Progress, say

# How Python shows an error of ours that an executor met.
RAISED = "fishid._errors."


class Cluster:
    """A Spark application with its progress; use it in a `with`.

    `executors` is how many there may be at most. A task takes all cores of its executor, since the engine
    in its Python process uses them.
    """

    def __init__(self, name, executors=None):
        self._name = name
        self._executors = executors
        self._packed = tempfile.TemporaryDirectory(prefix="fishid-")

    def __enter__(self):
        started = time.monotonic()
        self.session = _session(self._name, self._executors)
        self.context = self.session.sparkContext
        self.start_s = time.monotonic() - started
        self.application = self.context.applicationId
        self._progress = Progress(self._name, self.application, self.context.statusTracker())
        say(
            f"{self.application} on {self.context.master}, cores: {self.context.defaultParallelism}, "
            f"start: {self.start_s:.1f} s"
        )
        return self

    def __exit__(self, *_):
        try:
            self._progress.end()
        finally:
            self.session.stop()
            self._packed.cleanup()

    @property
    def slots(self):
        """Cores of the executors that are there now."""
        return max(1, self.context.defaultParallelism)

    def send_files(self, paths):
        """Brings files into one folder of every executor; `_work.received` finds them there."""
        for path in paths:
            self.context.addFile(str(path))

    def send_folder(self, folder, name):
        """Brings the files of a folder to every executor, where `_work.received(name)` is the folder."""
        packed = Path(self._packed.name) / (name + ".zip")
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            for file in sorted(Path(folder).rglob("*")):
                if file.is_file():
                    archive.write(file, str(file.relative_to(folder)))
        self.context.addArchive(f"{packed}#{name}")

    def each(self, what, chunks, work):
        """`work(chunk)` on the executors, a task for each chunk; what it gives, as JSON, in any order."""
        if not chunks:
            return []
        with self._progress.of(what, sum(chunk.num_rows for chunk in chunks), len(chunks)):
            rows = self.context.parallelize([(_packed(chunk),) for chunk in chunks], len(chunks))
            frame = self.session.createDataFrame(rows, "chunk binary")
            answers = _collect(frame.mapInArrow(functools.partial(_on_executor, work), "answer string"))
        return [json.loads(row.answer) for row in answers]


def _session(name, executors):
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    # What `spark-submit` was given is known to the JVM alone, which has to be there first.
    gateway = launch_gateway()
    conf = SparkConf(_jvm=gateway.jvm).setAppName(name)
    cores = conf.get("spark.executor.cores")
    if cores:
        conf.setIfMissing("spark.task.cpus", cores)
    if executors:
        conf.set("spark.executor.instances", str(executors))
        conf.set("spark.dynamicAllocation.maxExecutors", str(executors))
        if cores:
            # The only limit that a standalone master knows.
            conf.set("spark.cores.max", str(int(executors) * int(cores)))
    # A row is a whole chunk.
    conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "1")
    conf.setIfMissing("spark.ui.showConsoleProgress", "false")
    context = SparkContext(conf=conf, gateway=gateway)
    return SparkSession(context)


def _collect(frame):
    """The rows; what stopped an executor each time it was tried is told in its own words."""
    from pyspark.sql.utils import PythonException

    try:
        return frame.collect()
    except PythonException as error:
        raised = [line for line in str(error).splitlines() if line.startswith(RAISED)]
        if not raised:
            raise
        raise fishid.FishidError(raised[-1].split(": ", 1)[1]) from error


def _packed(table):
    sink = pa.BufferOutputStream()
    with pa.RecordBatchStreamWriter(sink, table.schema) as writer:
        writer.write_table(table)
    return bytearray(sink.getvalue().to_pybytes())


def _on_executor(work, batches):
    for batch in batches:
        for chunk in batch.column(0):
            table = pa.ipc.open_stream(chunk.as_py()).read_all()
            answer = json.dumps(work(table.combine_chunks()))
            yield pa.RecordBatch.from_arrays([pa.array([answer])], ["answer"])
