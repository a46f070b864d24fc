"""Folders of any size into a table: every format, killed and gone on with, from S3."""

import contextlib
import csv
import json
import os
import pty
import signal
import subprocess
import time

import pytest
from conftest import BINARY
from services import stack_python
from test_storage import s3  # noqa: F401


@pytest.fixture
def pile(small_fish, tmp_path):
    """A folder of 1 440 photographs, some of them broken; links, so that it takes no time to make."""
    folder = tmp_path / "pile"
    photos = sorted(small_fish.glob("*/*.jpg"))
    for copy in range(30):
        inside = folder / f"{copy:02}"
        inside.mkdir(parents=True)
        for n, photo in enumerate(photos):
            os.link(photo, inside / f"{n:02}.jpg")
    (folder / "05" / "broken.jpg").write_bytes(photos[0].read_bytes()[:300])
    (folder / "05" / "text.png").write_text("no photograph")
    (folder / "05" / "notes.txt").write_text("none either")
    return folder


def rows(table):
    return [json.loads(line) for line in table.read_text().splitlines()]


def photographs(folder):
    return sorted(str(path) for path in folder.rglob("*") if path.suffix in (".jpg", ".png"))


@contextlib.contextmanager
def begun(fishid, *arguments, table, n_rows, env=None):
    """The command, once it has answered some."""
    process = fishid.start("predict", *arguments, "--out", table, env=env)
    journal = table.with_name(table.name + ".unfinished") / "journal.jsonl"
    try:
        until = time.monotonic() + 120
        while not journal.exists() or journal.read_bytes().count(b"\n") < n_rows:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.005)
        yield process, journal
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def whole_lines(journal):
    content = journal.read_bytes()
    return content[: content.rfind(b"\n") + 1]


def test_a_folder_becomes_the_same_table_in_every_format(fishid, small_bundle, pile):
    bundle, _ = small_bundle
    tables = {kind: fishid.cwd / f"answers.{kind}" for kind in ("jsonl", "csv", "parquet")}
    # As `predict` without --out has it.
    reference = {"FISHID_ENGINE__PROVIDER": "cpu"}
    for table in tables.values():
        said = fishid.ok("predict", bundle, pile, "--out", table, "--lang", "en", env=reference)
        assert "1442 photographs, 2 of them without an answer" in said.out
        assert not table.with_name(table.name + ".unfinished").exists()
    found = {row["path"]: row for row in rows(tables["jsonl"])}
    assert sorted(found) == photographs(pile)
    assert len(rows(tables["jsonl"])) == len(found)

    one = pile / "07"
    printed = fishid.ok("predict", bundle, one, "--json", "--lang", "en").json_lines()
    for answer in printed:
        row = found[answer["path"]]
        for key in ("predicted_class", "predicted_label", "confidence", "is_confident", "model_version"):
            assert row[key] == answer[key]
        assert row["top_3_predictions"] == answer["top_3_predictions"]
        assert row["model_digest"].startswith(row["model_version"])

    with tables["csv"].open(newline="") as file:
        table = {row["path"]: row for row in csv.DictReader(file)}
    assert table.keys() == found.keys()
    for path, row in found.items():
        cells = table[path]
        if "error" in row:
            assert (cells["error_kind"], cells["error"]) == (row["error_kind"], row["error"])
            assert cells["predicted_class"] == ""
            continue
        assert cells["predicted_class"] == row["predicted_class"]
        assert float(cells["confidence"]) == row["confidence"]
        assert cells["is_confident"] == json.dumps(row["is_confident"])
        assert cells["top_3_class"] == row["top_3_predictions"][2]["class"]
    kinds = {row.get("error_kind") for row in found.values()}
    assert kinds == {None, "broken", "not_a_photograph"}

    check = """
import sys, pandas
table = pandas.read_parquet(sys.argv[1])
assert len(table) == 1442 and table.path.is_unique
assert table.error_kind.value_counts().to_dict() == {"broken": 1, "not_a_photograph": 1}
answered = table[table.error.isna()]
assert str(table.confidence.dtype) == "float64"
assert (answered.confidence >= answered.top_2_probability).all()
assert answered.is_confident.astype(bool).isin([True, False]).all()
csv = pandas.read_csv(sys.argv[2])
assert list(csv.columns) == list(table.columns)
both = table.merge(csv, on="path", suffixes=("", "_csv"))
assert len(both) == 1442 and (both.confidence.fillna(-1) == both.confidence_csv.fillna(-1)).all()
"""
    done = subprocess.run(
        [stack_python(), "-c", check, tables["parquet"], tables["csv"]], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_run_killed_again_and_again_answers_every_photograph_once(fishid, small_bundle, pile):
    bundle, _ = small_bundle
    table = fishid.cwd / "answers.jsonl"
    kept = b""
    for n_rows in (1, 150, 300, 301):
        with begun(fishid, bundle, pile, table=table, n_rows=n_rows) as (process, journal):
            process.send_signal(signal.SIGKILL)
            process.wait(60)
            # What was answered stays as it is: it is not answered again.
            assert whole_lines(journal).startswith(kept)
            kept = whole_lines(journal)
            assert not table.exists()
    n_kept = kept.count(b"\n")
    said = fishid.ok("predict", bundle, pile, "--out", table, "--json")
    assert said.json()["n_kept"] == n_kept
    assert f"going on after {n_kept} photographs" in said.err
    assert table.read_bytes().startswith(kept)
    assert sorted(row["path"] for row in rows(table)) == photographs(pile)
    assert [path.name for path in fishid.cwd.glob("answers*")] == ["answers.jsonl"]


def test_ctrl_c_leaves_what_the_same_command_goes_on_with(fishid, small_bundle, pile):
    bundle, _ = small_bundle
    table = fishid.cwd / "answers.parquet"
    with begun(fishid, bundle, pile, table=table, n_rows=20) as (process, journal):
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1, err
        n = whole_lines(journal).count(b"\n")
        assert f"stopped after {n} photographs" in err
        assert "the same command goes on" in err
    other = fishid("predict", bundle, pile / "01", "--out", table)
    assert other.status == 2
    assert "begun for other photographs; give --restart" in other.err
    said = fishid.ok("predict", bundle, pile, "--out", table, "--json").json()
    assert (said["n"], said["n_kept"], said["n_refused"]) == (1442, n, 2)

    again = fishid("predict", bundle, pile, "--out", table)
    assert again.status == 2
    assert "exists already" in again.err
    assert fishid.ok("predict", bundle, pile / "01", "--out", table, "--restart", "--json").json()["n"] == 48


def test_whenever_ctrl_c_comes_the_end_is_an_orderly_one(fishid, small_bundle, pile):
    """Threads are in the engine at every one of these moments, and its destructors would run under them."""
    bundle, _ = small_bundle
    table = fishid.cwd / "answers.parquet"
    for n_rows in range(10, 310, 20):
        with begun(fishid, bundle, pile, table=table, n_rows=n_rows) as (process, journal):
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
            assert process.returncode == 1, err
            assert whole_lines(journal).count(b"\n") >= n_rows
    assert fishid.ok("predict", bundle, pile, "--out", table, "--json").json()["n"] == 1442


def test_a_second_ctrl_c_ends_at_once(fishid, small_bundle, pile):
    bundle, _ = small_bundle
    table = fishid.cwd / "answers.parquet"
    with begun(fishid, bundle, pile, table=table, n_rows=5) as (process, _):
        # A reader that hangs would hold up the first one for ever.
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        # The first may have been enough.
        assert process.returncode in (1, 130)
    assert fishid.ok("predict", bundle, pile, "--out", table, "--json").json()["n"] == 1442


def test_a_terminal_shows_how_many_of_how_many_are_done(fishid, small_bundle, pile):
    ours, theirs = pty.openpty()
    command = [BINARY, "predict", small_bundle[0], pile, "--out", "answers.csv"]
    environment = fishid.environment(TERM="xterm", COLUMNS="120")
    process = subprocess.Popen(
        command, env=environment, cwd=fishid.cwd, stdout=subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):
        while piece := os.read(ours, 65536):
            shown += piece
    os.close(ours)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"answering" in shown
    assert b"/1442" in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["pile", "--out", "answers"], ".parquet, .csv or .jsonl"),
        (["pile", "--out", "-"], ".parquet, .csv or .jsonl"),
        (["pile", "--out", "s3://bucket/answers.csv"], "file of this machine"),
        (["pile", "--out", "nowhere/answers.csv"], "folder that exists"),
        (["nowhere", "--out", "answers.csv"], "nowhere"),
        (["pile", "pile/05/text.png", "--out", "answers.csv"], "name it once"),
        (["pile/none", "--out", "answers.csv"], "no photographs"),
        (["s3://bucket/prefix"], "--out"),
    ],
)
def test_what_cannot_become_a_table_is_said_before_any_work(fishid, small_bundle, pile, arguments, says):
    (pile / "none").mkdir()
    (fishid.cwd / "pile").symlink_to(pile)
    outcome = fishid("predict", small_bundle[0], *arguments)
    assert outcome.status == 2, outcome
    assert says in outcome.err
    assert not list(fishid.cwd.glob("answers*"))


def test_only_bad_photographs_or_strictness_end_with_status_2(fishid, small_bundle, pile):
    bundle, _ = small_bundle
    bad = [pile / "05" / "broken.jpg", pile / "05" / "text.png"]
    outcome = fishid("predict", bundle, *bad, "--out", "bad.csv")
    assert outcome.status == 2
    assert "2 photographs, 2 of them without an answer" in outcome.out
    assert fishid("predict", bundle, pile / "05", "--out", "some.csv").status == 0
    assert fishid("predict", bundle, pile / "05", "--out", "strict.csv", "--strict").status == 2
    assert (fishid.cwd / "strict.csv").exists()


def test_s3_gives_the_same_table_and_a_server_that_goes_away_costs_nothing(
    fishid,
    small_bundle,
    pile,
    s3,  # noqa: F811
):
    bundle, _ = small_bundle
    env = s3.env(AWS_MAX_ATTEMPTS="1")
    fishid.ok("data", "upload", pile, "s3://data/pile", env=env)
    fishid.ok("predict", bundle, pile, "--out", "folder.jsonl")
    table = fishid.cwd / "s3.jsonl"
    with begun(fishid, bundle, "s3://data/pile", table=table, n_rows=50, env=env) as (process, _):
        s3.stop()
        _, err = process.communicate(timeout=300)
        assert process.returncode == 1, err
        assert "the same command goes on" in err
        assert "cannot be reached" in err
    s3.start()
    env = s3.env()
    said = fishid.ok("predict", bundle, "s3://data/pile", "--out", table, "--json", env=env).json()
    assert said["n"] == 1442
    assert said["n_kept"] >= 50

    def answers(file, place):
        def key(row):
            return (row["path"].removeprefix(place), row.get("predicted_class"), row.get("error_kind"))

        return sorted(map(key, rows(file)), key=str)

    assert answers(table, "s3://data/pile") == answers(fishid.cwd / "folder.jsonl", str(pile))
