"""The jobs of spark_jobs/ on a real Spark: a standalone master with two workers of one core."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
import requests
from conftest import SMALL_BACKBONE, Fishid
from services import stack_python
from wheel_lab import Python, named_wheel

from stack import LocalStack, MissingPrerequisiteError, Settings
from stack.service import free_port
from stack.spark_standalone import SparkStandalone

JOBS = Path(__file__).parents[2] / "spark_jobs"
JOB_SECONDS = 180


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    folder = tmp_path_factory.mktemp("s3")
    try:
        stack = LocalStack(folder, Settings(ports={"s3": 0}, python=stack_python()))
    except MissingPrerequisiteError as error:
        pytest.skip(str(error))
    stack.start("s3")
    yield stack.services["s3"]
    stack.stop("s3")


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    if "FISHID_SPARK" not in os.environ:
        pytest.skip("FISHID_SPARK is not set: `make test` sets it to an environment with pyspark")
    return Python(tmp_path_factory.mktemp("spark") / "python", named_wheel(), "FISHID_SPARK")


@pytest.fixture(scope="module")
def spark(python, s3, tmp_path_factory):
    settings = {"HOME": str(python.home), "FISHID_HOME": str(python.home / "fishid")} | s3.settings()
    try:
        with SparkStandalone(python.python, tmp_path_factory.mktemp("cluster"), settings=settings) as cluster:
            yield cluster
    except MissingPrerequisiteError as error:
        pytest.skip(str(error))


class Job:
    """A driver; `report` is what it printed last, `log` all of it."""

    def __init__(self, spark, name, *arguments, **extra):
        self.process = spark.submit(JOBS / name, *arguments, **extra)
        self.lines = []
        # A pipe that nobody reads would hold the driver up.
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True)
        self.reader.start()

    def end(self):
        try:
            self.process.wait(timeout=JOB_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            pytest.fail(f"the job hangs:\n{self.log[-4000:]}")
        self.reader.join(30)
        return self

    @property
    def log(self):
        return "".join(self.lines)

    @property
    def report(self):
        assert self.process.returncode == 0, self.log[-6000:]
        return json.loads([line for line in self.log.splitlines() if line.startswith("{")][-1])

    @property
    def error(self):
        (line,) = [line for line in self.log.splitlines() if line.startswith("error: ")]
        return line


def training(spark, fish, folder, *more, **extra):
    places = ("--registry", folder / "registry", "--work", folder / "work")
    line = ("--data", fish, *places, "--backbone", SMALL_BACKBONE, *more)
    # A home of its own: embeddings of another test would be found there.
    return Job(spark, "train_fish_model.py", *line, **({"FISHID_HOME": str(folder / "driver")} | extra))


def single_machine(fish, folder, *more):
    line = ("pipeline", "run", "--data", fish, "--registry", folder / "single", "--json", *more)
    return Fishid(folder / "home").ok(*line).json()


def same_model(a, b):
    return Path(a, "model.onnx").read_bytes() == Path(b, "model.onnx").read_bytes()


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def broken_copy(fish, folder, n):
    shutil.copytree(fish, folder)
    victims = sorted(folder.rglob("*.jpg"))[3::7][:n]
    for victim in victims:
        victim.write_bytes(b"no photograph")
    return [victim.relative_to(folder).as_posix() for victim in victims]


READ = """
import pyarrow.parquet as pq
result = pq.read_table(given[0]).to_pylist()
"""


def test_a_job_makes_the_model_of_one_machine_and_computes_nothing_twice(spark, small_fish, tmp_path):
    report = tmp_path / "reports/first.json"
    first = training(spark, small_fish, tmp_path, "--seed", 3, "--report", report).end()
    found = first.report
    single = single_machine(small_fish, tmp_path, "--seed", 3)
    assert same_model(found["bundle"], single["bundle"])
    assert found["verdict"]["decision"] == single["verdict"]["decision"]
    assert found["promoted"] == single["promoted"]
    assert json.loads(report.read_text()) == found
    # The driver has embedded nothing itself.
    assert found["embeddings_computed"] == 0
    assert found["views_there"] == 0
    assert found["views_embedded"] == found["embeddings_reused"] > found["photographs"]
    assert found["quarantine"] is None

    before = files(tmp_path / "work")
    again = training(spark, small_fish, tmp_path, "--seed", 3).end().report
    assert again["views_embedded"] == again["embeddings_computed"] == 0
    assert again["views_there"] == found["views_embedded"]
    assert again["version"] == found["version"]
    assert files(tmp_path / "work") == before


def executors(application):
    """Process ids of the executors of an application, which is on their command lines."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if application in line and any("CoarseGrainedExecutorBackend" in word for word in line):
                found.append(int(folder.name))
    return found


def test_a_killed_executor_changes_nothing(spark, small_fish, tmp_path):
    # Many views, so that there is a middle to be killed in.
    more = ("--views", 60)
    before = spark.applications()
    job = training(spark, small_fish, tmp_path, *more)
    embeddings, killed_at = tmp_path / "work/embeddings", None
    until = time.monotonic() + JOB_SECONDS
    while job.process.poll() is None and time.monotonic() < until:
        n_parts = len(list(embeddings.rglob("part-*.parquet")))
        if n_parts:
            (application,) = spark.applications() - before
            os.kill(executors(application)[0], signal.SIGKILL)
            killed_at = n_parts
            break
        time.sleep(0.02)
    found = job.end().report
    assert killed_at, job.log[-4000:]
    assert killed_at < len(list(embeddings.rglob("part-*.parquet"))), "it was killed too late to matter"
    assert "Lost executor" in job.log, job.log[-4000:]
    assert found["embeddings_computed"] == 0
    assert same_model(found["bundle"], single_machine(small_fish, tmp_path, *more)["bundle"])


def test_bad_photographs_go_to_a_table_and_too_many_end_the_job(spark, python, small_fish, tmp_path):
    (victim,) = broken_copy(small_fish, tmp_path / "fish", 1)
    # A Pushgateway that is away holds nothing up.
    away = f"127.0.0.1:{free_port()}"
    job = training(spark, tmp_path / "fish", tmp_path, PUSHGATEWAY_URL=away).end()
    found = job.report
    assert job.log.count("does not answer") == 1
    assert found["left_out"] == 1
    (row,) = python(READ, found["quarantine"])
    assert (row["path"], row["kind"]) == (victim, "unreadable")
    assert "JPEG" in row["reason"] or "photograph" in row["reason"], row

    victims = broken_copy(small_fish, tmp_path / "worse", 3)
    refused = training(spark, tmp_path / "worse", tmp_path).end()
    assert refused.process.returncode == 2, refused.log[-4000:]
    assert "not acceptable" in refused.error
    (place,) = [line.split(": ", 1)[1] for line in refused.log.splitlines() if line.startswith("Why each of")]
    assert {row["path"] for row in python(READ, place)} == set(victims)
    assert "Traceback" not in refused.log


def test_a_place_that_is_not_there_is_told_in_a_line(spark, small_fish, tmp_path):
    nowhere = training(spark, tmp_path / "nowhere", tmp_path).end()
    assert nowhere.process.returncode == 2
    assert str(tmp_path / "nowhere") in nowhere.error


def test_a_prefix_of_photographs_is_answered_as_by_the_program(
    spark, python, s3, small_fish, small_bundle, tmp_path
):
    bundle, fish = small_bundle[0], tmp_path / "fish"
    (victim,) = broken_copy(small_fish, fish, 1)
    data, out = "s3://data/scored", "s3://data/answers"
    settings = s3.settings()
    python("result = fishid.upload(*given)", fish, data, env=settings)
    scoring = ("--data", data, "--out", out, "--bundle", bundle)

    def by_path(place):
        return {row["path"]: row for row in python(READ, place)}

    def answers():
        folder = tmp_path / "answers"
        shutil.rmtree(folder, ignore_errors=True)
        python("result = fishid.download(*given)", out, folder, env=settings)
        assert (folder / "_SUCCESS").exists()
        return by_path(folder)

    first = Job(spark, "score_photos.py", *scoring).end().report
    n = len(list(fish.rglob("*.jpg")))
    assert (first["photographs"], first["answered_now"], first["refused_now"]) == (n, n, 1)
    found = answers()
    plain = {"FISHID_ENGINE__PROVIDER": "cpu", "FISHID_ENGINE__PRECISION": "f32"} | settings
    table = tmp_path / "table.parquet"
    Fishid(tmp_path / "home").ok("predict", bundle, data, "--out", table, env=plain)
    expected = by_path(table)
    assert found.keys() == expected.keys()
    for path, row in expected.items():
        assert found[path]["predicted_class"] == row["predicted_class"], path
        assert found[path]["error_kind"] == row["error_kind"]
        assert found[path]["model_digest"] == row["model_digest"]
        if row["confidence"] is not None:
            assert abs(found[path]["confidence"] - row["confidence"]) <= 1e-5
    assert found[f"{data}/{victim}"]["error_kind"] == "not_a_photograph"

    again = Job(spark, "score_photos.py", *scoring).end().report
    assert (again["answered_now"], again["answered_before"]) == (0, n)
    assert answers() == found

    # One photograph goes and one comes: what they belong to is answered again, and nothing else.
    gone = next(path for path in sorted(fish.rglob("*.jpg")) if path.relative_to(fish).as_posix() != victim)
    (tmp_path / "more").mkdir()
    shutil.copy(gone, tmp_path / "more/another.jpg")
    move = """
data, gone, more = given
fishid.remove_files(data, [gone])
result = fishid.upload(more, data)
"""
    python(move, data, gone.relative_to(fish).as_posix(), tmp_path / "more", env=settings)
    changed = Job(spark, "score_photos.py", *scoring).end().report
    assert changed["photographs"] == n
    assert 1 <= changed["answered_now"] < n
    now = answers()
    assert now.keys() == (found.keys() - {f"{data}/{gone.relative_to(fish).as_posix()}"}) | {
        f"{data}/another.jpg"
    }

    other = Job(spark, "score_photos.py", *scoring, "--lang", "en").end()
    assert other.process.returncode == 2, other.log[-3000:]
    assert out in other.error
    assert "--out" in other.error
    assert answers() == now


CHUNKS = """
from fishid import spark
def names(paths):
    table = pa.table({"path": sorted(paths)})
    chunks = spark.chunks_by_content(table)
    assert pa.concat_tables(chunks).equals(table)
    return {spark.part_name(chunk, ["path"]): chunk.num_rows for chunk in chunks}
result = []
for n in (1, 17, 839, 60_000):
    paths = [f"perca/{i * 7919 % 1_000_003:07}.jpg" for i in range(n)]
    all_of_them = names(paths)
    with_one = names([*paths, "perca/0500000-new.jpg"])
    result.append([len(all_of_them), max(all_of_them.values()), len(set(with_one) - set(all_of_them))])
"""


def test_a_photograph_more_changes_one_chunk(python):
    for n_chunks, largest, changed in python(CHUNKS):
        assert 1 <= changed <= 2, (n_chunks, largest, changed)
        assert largest <= 2048
    n_chunks, largest, _ = python(CHUNKS)[2]
    assert n_chunks >= 32
    assert largest <= 64


@pytest.fixture
def pushgateway(tmp_path):
    program = shutil.which("prometheus-pushgateway")
    if not program:
        pytest.skip("prometheus-pushgateway is not installed")
    address = f"127.0.0.1:{free_port()}"
    with (tmp_path / "pushgateway.log").open("w") as log:
        line = [program, f"--web.listen-address={address}"]
        process = subprocess.Popen(line, stdout=log, stderr=subprocess.STDOUT, cwd=tmp_path)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(f"http://{address}/-/ready", timeout=5).ok:
                break
        time.sleep(0.05)
    yield address
    process.terminate()
    process.wait()


def test_progress_is_told_to_a_pushgateway(spark, small_fish, tmp_path, pushgateway):
    job = training(
        spark,
        small_fish,
        tmp_path,
        "--views",
        60,
        PUSHGATEWAY_URL=pushgateway,
    )
    seen, until = set(), time.monotonic() + JOB_SECONDS
    while job.process.poll() is None and time.monotonic() < until:
        for line in requests.get(f"http://{pushgateway}/metrics", timeout=5).text.splitlines():
            if line.startswith("fishid_spark_tasks{"):
                seen.add(line)
        time.sleep(0.1)
    assert job.end().report["views_embedded"] > 0
    steps = {part for line in seen for part in line.split('"') if part in ("inspecting", "embedding")}
    assert steps == {"inspecting", "embedding"}, seen
    left = requests.get(f"http://{pushgateway}/metrics", timeout=5).text
    assert "fishid_spark_tasks{" not in left
