"""`fishid data lock` and `diff`, and the locks that `train` and `pipeline run` keep to."""

import json
import shutil
from pathlib import Path

import pytest
import requests
from services import TOKEN


@pytest.fixture
def copy(small_fish, tmp_path):
    folder = tmp_path / "fish"
    shutil.copytree(small_fish, folder)
    return folder


def lock(fishid, folder, file):
    return fishid.ok("data", "lock", folder, "--out", file, "--json").json()


def first_photo(folder):
    return min(folder.glob("*/*.jpg"))


def test_a_lock_is_the_same_file_for_a_copy_elsewhere(fishid, small_fish, copy, tmp_path):
    told = lock(fishid, small_fish, tmp_path / "a.json")
    lock(fishid, copy, tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    written = json.loads((tmp_path / "a.json").read_text())
    assert written["schema_version"] == 1
    assert written["digest"] == told["digest"]
    assert len(written["photographs"]) == told["n_photographs"] == 48
    assert all(photo["group"] for photo in written["photographs"])


def test_a_difference_is_told_and_fails_a_script_that_asks_for_it(fishid, small_fish, copy, tmp_path):
    file = tmp_path / "data.lock.json"
    lock(fishid, small_fish, file)
    assert fishid.ok("data", "diff", file, copy, "--exit-code").out.startswith("equal")

    photo = first_photo(copy)
    photo.rename(photo.with_name("moved.jpg"))
    moved = fishid.ok("data", "diff", file, copy, "--json").json()
    assert moved["equal"] is False
    relative = photo.relative_to(copy).as_posix()
    assert moved["moved"] == [{"from": relative, "to": f"{photo.parent.name}/moved.jpg"}]
    assert moved["added"] == moved["removed"] == moved["changed"] == []
    assert moved["classes"][photo.parent.name] == {"before": 12, "after": 12}
    assert moved["a"]["digest"] != moved["b"]["digest"]

    missing = fishid("data", "diff", tmp_path / "none.json", copy)
    assert missing.status == 2
    assert "none.json does not exist" in missing.err

    told = fishid("data", "diff", small_fish, copy, "--exit-code")
    assert told.status == 3
    assert "moved.jpg" in told.out


def test_training_records_the_digest_of_the_lock_and_refuses_other_photographs(fishid, copy, tmp_path):
    file = tmp_path / "data.lock.json"
    digest = lock(fishid, copy, file)["digest"]
    trained = fishid.ok(
        "train", "--data", copy, "--lock", file, "--out", tmp_path / "bundle", "--json"
    ).json()
    assert trained["data_digest"] == digest
    bundle = json.loads((tmp_path / "bundle" / "fishid.json").read_text())
    assert bundle["data"]["digest"] == digest

    photo = first_photo(copy)
    photo.write_bytes(photo.read_bytes() + b"\0")
    refused = fishid("train", "--data", copy, "--lock", file, "--out", tmp_path / "other")
    assert refused.status == 2
    assert photo.name in refused.err
    assert "fishid data lock" in refused.err
    assert not (tmp_path / "other").exists()


def test_a_pipeline_run_keeps_to_its_lock_and_leaves_one_with_its_artifacts(fishid, copy, tmp_path):
    file = tmp_path / "data.lock.json"
    digest = lock(fishid, copy, file)["digest"]
    run = fishid.ok("pipeline", "run", "--data", copy, "--lock", file, "--json").json()
    assert json.loads(Path(run["bundle"], "fishid.json").read_text())["data"]["digest"] == digest
    (kept,) = (fishid.home / "tracking").rglob("data.lock.json")
    assert kept.read_bytes() == file.read_bytes()

    # Every step of the run above could be skipped, but the lock is looked at all the same.
    second = lock(fishid, copy, tmp_path / "second.json")
    altered = tmp_path / "altered"
    shutil.copytree(copy, altered)
    first_photo(altered).unlink()
    lock(fishid, altered, file)
    refused = fishid("pipeline", "run", "--data", copy, "--lock", file)
    assert refused.status == 2
    assert "1 added" in refused.err
    assert fishid("pipeline", "run", "--resume").status == 2, "resumed with the same lock, refused again"
    assert second["n_photographs"] == 48


def test_a_file_that_is_no_lock_is_refused(fishid, copy, tmp_path):
    file = tmp_path / "notes.json"
    file.write_text("{}")
    for command in (
        ["data", "diff", file, copy],
        ["data", "lock", copy, "--out", file],
        ["train", "--data", copy, "--lock", file, "--out", tmp_path / "bundle"],
    ):
        refused = fishid(*command)
        assert refused.status == 2, command
        assert "notes.json" in refused.err
    assert file.read_text() == "{}"


def test_one_split_is_measured_and_each_answer_written_down(fishid, small_fish, small_bundle, tmp_path):
    bundle, _ = small_bundle
    folder = tmp_path / "split"
    fishid.ok("data", "split", small_fish, folder)
    table = tmp_path / "predictions.csv"
    measured = fishid.ok(
        "evaluate", bundle, "--data", folder, "--split", "test", "--predictions", table, "--json"
    ).json()
    n = len(list(folder.glob("test/*/*.jpg")))
    assert 0 < measured["n"] == n < 48
    header, *rows = table.read_text().splitlines()
    assert header == "path,actual,predicted,confidence,group"
    assert len(rows) == n
    right = sum(row.split(",")[1] == row.split(",")[2] for row in rows)
    assert abs(right / n - measured["accuracy"]) < 1e-9
    for arguments, word in (
        (["--data", small_fish, "--split", "test"], "fishid data split"),
        (["--data", folder, "--split", "tests"], "train, val and test"),
        (["--data", folder, "--predictions", tmp_path / "none" / "p.csv"], "a folder that exists"),
    ):
        refused = fishid("evaluate", bundle, *arguments)
        assert refused.status == 2, arguments
        assert word in refused.err


def test_photographs_in_s3_have_the_lock_of_their_folder_and_the_tracked_run_holds_it(
    services, first_model, small_fish, tmp_path
):
    folder = services.folder(small_fish)
    locks = [tmp_path / "s3.json", tmp_path / "folder.json"]
    for data, file in zip((first_model.data, folder), locks, strict=True):
        lock(services.fishid, data, file)
    expected = locks[1].read_bytes()
    assert locks[0].read_bytes() == expected

    run = services.registry_command("show", first_model.version)["run"]
    found = requests.get(
        f"{services.mlflow}/get-artifact",
        params={"run_uuid": run, "path": "data.lock.json"},
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=30,
    )
    found.raise_for_status()
    assert found.content == expected
