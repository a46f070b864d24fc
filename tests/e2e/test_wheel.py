"""The Python wheel in an environment of its own: the program's answers, and the parts of a Spark job."""

import re
import subprocess
import zipfile
from pathlib import Path

import pytest
from conftest import SMALL_BACKBONE, Fishid
from services import stack_python
from wheel_lab import Python, named_wheel

from stack import LocalStack, MissingPrerequisiteError, Settings

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def wheel():
    return named_wheel()


@pytest.fixture(scope="module")
def python(tmp_path_factory, wheel):
    return Python(tmp_path_factory.mktemp("wheel"), wheel, "FISHID_WHEEL_NEEDS")


@pytest.fixture
def s3(tmp_path):
    try:
        stack = LocalStack(tmp_path / "server", Settings(ports={"s3": 0}, python=stack_python()))
    except MissingPrerequisiteError as error:
        pytest.skip(str(error))
    stack.start("s3")
    yield stack.services["s3"]
    stack.stop("s3")


# A job as Spark's executors do it: batch by batch, each with paths alone.
JOB = """
data, registry, work, backbone = given
def in_batches(table, work):
    answers = [work(batch) for batch in table.to_batches(max_chunksize=7) if batch.num_rows]
    return pa.Table.from_batches(answers)
run = fishid.TrainingRun(data, registry=registry, backbone=backbone, work=work)
looked = in_batches(run.photographs(), lambda batch: fishid.inspect(batch, run.spec))
to_embed = run.plan(looked)
kept = to_embed.num_rows and in_batches(
    to_embed,
    lambda batch: fishid.embed(batch, run.spec, backbone=run.backbone_files[0], threads=2, keep=True),
)
asked = sum(len(views) for views in to_embed.column("views").to_pylist())
result = {
    "spec": run.spec,
    "asked": asked,
    "missing": run.n_views_missing,
    "there": run.n_views_there,
    "written": sum(kept.column("n_views").to_pylist()) if kept else 0,
    "left_out": run.quarantine().to_pylist(),
    "model": run.finish(),
}
"""


def same_model(a, b):
    return Path(a, "model.onnx").read_bytes() == Path(b, "model.onnx").read_bytes()


def test_the_wheel_is_for_old_pythons_and_old_libraries_and_has_all_it_needs(wheel):
    assert re.fullmatch(r"fishid-[0-9.]+-cp38-abi3-manylinux_2_28_x86_64\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    libraries = {name for name in names if name.startswith("fishid/onnxruntime/libonnxruntime.so.")}
    assert len(libraries) == 1, libraries
    assert {"fishid/_native.abi3.so", "fishid/py.typed", "fishid/__init__.pyi"} <= names


def test_a_photograph_gets_the_answer_of_the_program(python, small_fish, small_bundle):
    bundle = small_bundle[0]
    photos = sorted(small_fish.rglob("*.jpg"))[::5]
    replies = Fishid(small_fish.parent / "home").ok("predict", bundle, *photos, "--json").json_lines()
    code = """
bundle, *photos = given
model = fishid.load_bundle(bundle, threads=2)
result = []
for photo in photos:
    exact = model.probabilities(photo)
    pixels = model.probabilities_of_pixels(model.load_pixels(photo))
    result.append({"reply": model.predict(photo), "differs": float(abs(exact - pixels).max()),
                   "top": model.classes[int(exact.argmax())], "sum": float(exact.sum())})
"""
    answers = python(code, bundle, *photos)
    assert len(answers) == len(replies) == len(photos)
    for ours, theirs in zip(answers, replies, strict=True):
        assert ours["reply"]["predicted_class"] == ours["top"] == theirs["predicted_class"]
        assert ours["reply"]["predicted_label"] == theirs["predicted_label"]
        ours_3, theirs_3 = (
            [candidate["probability"] for candidate in reply["top_3_predictions"]]
            for reply in (ours["reply"], theirs)
        )
        assert relative_l2(ours_3, theirs_3) <= 1e-5
        assert ours["differs"] == 0
        assert abs(ours["sum"] - 1) < 1e-5


def relative_l2(ours, theirs):
    difference = sum((a - b) ** 2 for a, b in zip(ours, theirs, strict=True))
    return (difference / sum(b * b for b in theirs)) ** 0.5


def test_a_run_in_parts_makes_the_model_of_the_program_and_computes_nothing_twice(
    python, small_fish, tmp_path
):
    arguments = ("pipeline", "run", "--data", small_fish, "--json")
    single = Fishid(tmp_path / "single").ok(*arguments, "--registry", tmp_path / "registry-single").json()
    job = (small_fish, tmp_path / "registry", tmp_path / "work", SMALL_BACKBONE)
    first = python(JOB, *job)
    assert first["asked"] == first["missing"] == first["written"] > 0
    assert first["there"] == 0
    assert first["left_out"] == []
    assert first["model"]["embeddings_computed"] == 0
    assert first["model"]["embeddings_reused"] == first["written"]
    assert first["model"]["verdict"]["decision"] == single["verdict"]["decision"]
    assert first["model"]["promoted"] == single["promoted"]
    assert same_model(first["model"]["bundle"], single["bundle"])

    again = python(JOB, *job)
    assert again["asked"] == again["written"] == 0
    assert again["there"] == first["written"]
    assert again["model"]["version"] == first["model"]["version"]


def test_embeddings_come_back_as_rows_and_are_those_of_the_program(python, small_fish, small_bundle):
    code = """
import pyarrow.parquet as pq, numpy as np
from pathlib import Path
data, home, backbone = given
known = {}
for part in Path(home, "embeddings").glob("*/part-*.parquet"):
    for row in pq.read_table(part).to_pylist():
        known[row["photo_digest"], row["view"]] = np.array(row["embedding"], dtype=np.float32)
run = fishid.TrainingRun(data, backbone=backbone)
batch = run.photographs().slice(0, 9).combine_chunks().to_batches()[0]
rows = fishid.embed(batch, run.spec, backbone=backbone, threads=2).to_pylist()
found = [(np.array(row["embedding"], dtype=np.float32), known[row["digest"], row["view"]])
         for row in rows if (row["digest"], row["view"]) in known]
result = {"n": len(rows), "n_found": len(found), "errors": [row["error"] for row in rows if row["error"]],
          "worst": max(float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in found)}
"""
    answer = python(code, small_fish, small_fish.parent / "home", SMALL_BACKBONE)
    assert answer["errors"] == []
    assert answer["n"] == 9 * 6
    assert answer["n_found"] >= 9
    assert answer["worst"] <= 1e-5


def test_what_is_no_photograph_is_a_row_and_another_backbone_is_refused(python, small_fish, tmp_path):
    broken = tmp_path / "fish"
    subprocess.run(["cp", "-r", small_fish, broken], check=True)
    victim = sorted(broken.rglob("*.jpg"))[3]
    victim.write_bytes(b"no photograph")
    other = tmp_path / "other.onnx"
    other.write_bytes(SMALL_BACKBONE.read_bytes() + b"\x72\x00")
    code = """
data, backbone, other, victim = given
run = fishid.TrainingRun(data, backbone=backbone)
looked = fishid.inspect(run.photographs(), run.spec)
bad = [row for row in looked.to_pylist() if row["error"]]
to_embed = run.plan(looked)
none = pa.table({"path": [victim, "nowhere.jpg"]})
rows = fishid.embed(none, run.spec, backbone=backbone, threads=1).to_pylist()
def refusal(work):
    try:
        return [None, str(work())]
    except fishid.FishidError as error:
        return [type(error).__name__, str(error)]
wanted = pa.table({"path": [victim]})
result = {
    "bad": [row["path"] for row in bad],
    "quarantine": run.quarantine().to_pylist(),
    "asked": to_embed.column("path").to_pylist(),
    "rows": rows,
    "other": refusal(lambda: fishid.embed(wanted, run.spec, backbone=other)),
    "column": refusal(lambda: fishid.embed(pa.table({"name": [victim]}), run.spec, backbone=backbone)),
    "nowhere_to_keep": refusal(lambda: fishid.embed(wanted, run.spec, backbone=backbone, keep=True)),
    "half": refusal(lambda: run.plan(looked.slice(1))),
    "views": refusal(lambda: fishid.TrainingRun(data, backbone=backbone, views=0)),
    "data": refusal(lambda: fishid.TrainingRun(data + "/nowhere", backbone=backbone)),
    "pixels": refusal(lambda: fishid.load_pixels(b"no photograph", width=8, height=8)),
    "fit": refusal(lambda: fishid.load_pixels(b"", width=8, height=8, fit="best")),
}
"""
    path = victim.relative_to(broken).as_posix()
    answer = python(code, broken, SMALL_BACKBONE, other, path)
    assert answer["bad"] == [path]
    assert [(row["path"], row["kind"]) for row in answer["quarantine"]] == [(path, "unreadable")]
    assert path not in answer["asked"]
    assert [row["path"] for row in answer["rows"]] == [path, "nowhere.jpg"]
    assert all(row["error"] and row["embedding"] is None for row in answer["rows"])
    for name, word in [
        ("other", "backbone"),
        ("column", "path"),
        ("nowhere_to_keep", "work"),
        ("half", "no inspection"),
        ("views", "views = 0"),
        ("data", "nowhere"),
        ("pixels", "photograph"),
        ("fit", "best"),
    ]:
        kind, text = answer[name]
        assert kind == "InputError", f"{name}: {kind}: {text}"
        assert word in text, text


def test_too_many_broken_photographs_stop_a_run(python, small_fish, tmp_path):
    broken = tmp_path / "fish"
    subprocess.run(["cp", "-r", small_fish, broken], check=True)
    for victim in sorted(broken.rglob("*.jpg"))[:3]:
        victim.write_bytes(b"no photograph")
    code = """
run = fishid.TrainingRun(given[0], backbone=given[1])
try:
    run.plan(fishid.inspect(run.photographs(), run.spec))
    result = None
except fishid.InputError as error:
    result = str(error)
"""
    text = python(code, broken, SMALL_BACKBONE)
    assert "not acceptable" in text
    assert "fishid data check" in text


def test_labels_have_the_columns_and_the_answers_of_a_table(python, small_fish, small_bundle, tmp_path):
    bundle = small_bundle[0]
    table = tmp_path / "table.parquet"
    # Without it the table is made in whatever is fastest here; the wheel is in f32.
    plain = {"FISHID_ENGINE__PROVIDER": "cpu", "FISHID_ENGINE__PRECISION": "f32"}
    Fishid(small_fish.parent / "home").ok("predict", bundle, small_fish, "--out", table, env=plain)
    code = """
import pyarrow.parquet as pq
data, bundle, table = given
listed = fishid.list_photographs(data)
answers = fishid.label(listed, data, bundle=bundle, threads=2)
ours = {row["path"]: row for row in answers.to_pylist()}
theirs = {row["path"]: row for row in pq.read_table(table).to_pylist()}
result = {"columns": [answers.schema.names, pq.read_schema(table).names], "n": [len(ours), len(theirs)],
          "ddl": [part.split()[0] for part in fishid.LABEL_SCHEMA.split(", ")],
          "differ": [path for path in theirs if theirs[path]["top_2_class"] != ours[path]["top_2_class"]
                     or theirs[path]["predicted_class"] != ours[path]["predicted_class"]],
          "worst": max(abs(theirs[path]["confidence"] - ours[path]["confidence"]) for path in theirs)}
"""
    answer = python(code, small_fish, bundle, table)
    ours, theirs = answer["columns"]
    assert ours == theirs == answer["ddl"]
    assert answer["n"][0] == answer["n"][1] > 0
    assert answer["differ"] == []
    assert answer["worst"] <= 1e-5


def test_a_run_in_parts_reads_photographs_and_keeps_embeddings_in_s3(python, small_fish, s3, tmp_path):
    # A home of its own: embeddings of another run there would be found.
    env = s3.settings() | {"FISHID_HOME": str(tmp_path / "home")}
    upload = "result = fishid.upload(*given)"
    assert python(upload, small_fish, "s3://data/fish", env=env)["n_uploaded"] > 0
    assert python(upload, small_fish, "s3://data/fish", env=env)["n_uploaded"] == 0
    fetch = """
first, again = (fishid.download("s3://data/fish", given[0]) for _ in range(2))
result = [first, again, fishid.list_files("s3://data/fish").num_rows]
"""
    fetched, again, n_files = python(fetch, tmp_path / "fetched", env=env)
    assert fetched == {"n_fetched": n_files, "n_skipped": 0}
    assert again == {"n_fetched": 0, "n_skipped": n_files}
    for file in filter(Path.is_file, small_fish.rglob("*")):
        copy = tmp_path / "fetched" / file.relative_to(small_fish)
        assert file.name.startswith(".") or copy.read_bytes() == file.read_bytes()
    job = ("s3://data/fish", tmp_path / "registry", "s3://data/work", SMALL_BACKBONE)
    first = python(JOB, *job, env=env)
    assert first["asked"] == first["written"] > 0
    assert first["model"]["embeddings_computed"] == 0
    assert env["AWS_SECRET_ACCESS_KEY"] not in first["spec"]
    code = """
fetched = fishid.fetch_bundle(given[0], None, given[1])
listed = fishid.list_photographs("s3://data/fish").slice(0, 3)
labelled = fishid.label(listed, "s3://data/fish", bundle=fetched["bundle"])
result = [fetched["version"], labelled.to_pylist()]
"""
    version, rows = python(code, tmp_path / "registry", first["model"]["version"], env=env)
    assert version == first["model"]["version"]
    assert [row["path"].startswith("s3://data/fish/") and row["error"] is None for row in rows] == [True] * 3


def test_other_threads_run_while_photographs_are_embedded(python, small_fish):
    code = """
import threading, time
run = fishid.TrainingRun(given[0], backbone=given[1])
photographs = run.photographs()
fishid.embed(photographs.slice(0, 1), run.spec, backbone=given[1], threads=1)
beats = []
def work():
    fishid.embed(photographs, run.spec, backbone=given[1], threads=1)
worker = threading.Thread(target=work)
worker.start()
while worker.is_alive():
    beats.append(time.monotonic())
    worker.join(0.001)
result = len(beats)
"""
    # With the lock held there is one beat before it is taken and one after it is given back.
    assert python(code, small_fish, SMALL_BACKBONE) > 5


def test_a_head_and_its_numbers_over_rows(python):
    code = """
import numpy as np
random = np.random.default_rng(0)
labels = np.arange(240) % 3
centres = 3 * random.normal(size=(3, 12))
rows = (random.normal(size=(240, 12)) + centres[labels]).astype(np.float32)
groups = [f"fish {i // 4}" for i in range(240)]
head = fishid.train_head(rows[:180], labels[:180], groups=groups[:180],
                         validation=(rows[180:210], labels[180:210]), seed=1, epochs=20)
logits = rows[210:] @ head["weights"].T + head["bias"]
exp = np.exp((logits - logits.max(1, keepdims=True)) / head["temperature"])
classes = ["pike", "perch", "roach"]
truth = [classes[i] for i in labels[210:]]
numbers = fishid.evaluate(exp / exp.sum(1, keepdims=True), truth, groups[210:], classes)
try:
    fishid.train_head(rows[:4], [0, 1, 0])
    refused = None
except fishid.InputError as error:
    refused = str(error)
result = {"shape": list(head["weights"].shape), "n": numbers["n"], "accuracy": numbers["accuracy"],
          "refused": refused,
          "right": float((logits.argmax(1) == labels[210:]).mean())}
"""
    answer = python(code)
    assert answer["shape"] == [3, 12]
    assert answer["n"] == 30
    assert answer["accuracy"] == pytest.approx(answer["right"])
    assert answer["accuracy"] > 0.9
    assert "3 labels" in answer["refused"]


def test_a_data_set_is_checked_as_the_program_checks_it(python, small_fish):
    lines = Fishid(small_fish.parent / "home")("data", "check", small_fish, "--json").json_lines()
    answer = python("result = fishid.check_dataset(given[0])", small_fish)
    assert answer["problems"] == lines
    assert answer["is_acceptable"]
    assert answer["n_photographs"] == len(list(small_fish.rglob("*.jpg")))


def test_the_example_of_the_docs_runs(python, small_fish, small_bundle, tmp_path):
    example = re.search(r"```python\n(.*?)```", (DOCS / "PYTHON.md").read_text(), re.S).group(1)
    photo = sorted(small_fish.rglob("*.jpg"))[0]
    prepared = "import os\nos.chdir(given[0])\n"
    (tmp_path / "bundle").symlink_to(small_bundle[0])
    (tmp_path / "photo.jpg").symlink_to(photo)
    answer = python(f"{prepared}{example}\nresult = [answer, list(pixels.shape)]", tmp_path)
    assert answer[0]["predicted_class"]
    assert answer[1][2] == 3


def test_everything_public_is_in_the_stub_with_the_same_arguments(python):
    code = """
import ast, inspect
from pathlib import Path
stub = ast.parse(Path(fishid.__file__).with_name("__init__.pyi").read_text())
stubbed, wrong = {}, []
for node in stub.body:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        stubbed[node.name] = node
    if isinstance(node, ast.AnnAssign):
        stubbed[node.target.id] = None
def names(node):
    return [it.arg for it in node.args.posonlyargs + node.args.args + node.args.kwonlyargs]
for name in fishid.__all__:
    value, node = getattr(fishid, name), stubbed.get(name, "missing")
    if node == "missing":
        wrong.append(name)
    elif isinstance(node, ast.FunctionDef):
        is_same = names(node) == list(inspect.signature(value).parameters) and value.__doc__
        wrong += [] if is_same else [name]
    elif isinstance(node, ast.ClassDef):
        for method in node.body:
            if isinstance(method, ast.FunctionDef):
                there = getattr(value, method.name)
                wrong += [method.name] if names(method) != list(inspect.signature(there).parameters) else []
result = [wrong, sorted(set(stubbed) - set(fishid.__all__))]
"""
    assert python(code) == [[], []]
