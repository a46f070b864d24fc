"""Photographs in: check, split, import."""

import csv
import shutil
import zipfile
from collections import defaultdict

import pytest
from PIL import Image


@pytest.fixture
def copy(small_fish, tmp_path):
    folder = tmp_path / "fish"
    shutil.copytree(small_fish, folder)
    return folder


def problems(fishid, folder, *arguments):
    outcome = fishid("data", "check", folder, "--json", *arguments)
    assert outcome.status in (0, 2), outcome
    return outcome.status, outcome.json_lines()


def test_drawn_fish_are_clean(fishid, small_fish):
    status, found = problems(fishid, small_fish)
    assert status == 0, found


def test_each_kind_of_bad_photograph_is_found(fishid, copy):
    first, second, *_ = sorted(folder for folder in copy.iterdir() if folder.is_dir())
    photos = sorted(first.glob("*.jpg"))
    (first / "broken.jpg").write_bytes(photos[0].read_bytes()[:2000])
    (first / "empty.jpg").write_bytes(b"")
    (first / "text.png").write_text("not a photograph")
    Image.new("RGB", (1, 1)).save(first / "dot.png")
    shutil.copy(photos[1], second / "twin.jpg")
    with Image.open(photos[2]) as photo:
        photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((320, 240)).save(
            second / "mirrored.jpg", quality=70
        )
    (copy / "perca_nova").mkdir()
    status, found = problems(fishid, copy)
    assert status == 2
    kinds = defaultdict(set)
    for problem in found:
        assert {"path", "kind", "detail"} <= problem.keys()
        kinds[problem["kind"]].add(problem["path"].rpartition("/")[2])
    assert {"broken.jpg", "empty.jpg", "text.png"} <= kinds["unreadable"]
    assert "dot.png" in kinds["too_small"]
    flagged = {path for paths in kinds.values() for path in paths}
    assert {"twin.jpg", "mirrored.jpg", "perca_nova"} <= flagged, kinds
    assert any(problem.get("other") for problem in found)


def test_a_split_keeps_groups_together_and_its_test_set_when_the_data_grow(fishid, small_fish, tmp_path):
    def split(source, out):
        fishid.ok("data", "split", source, out, "--seed", 3)
        with (out / "manifest.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        of_group = defaultdict(set)
        for row in rows:
            assert (out / row["path"]).is_file()
            of_group[row["group"]].add(row["path"].split("/")[0])
        assert all(len(splits) == 1 for splits in of_group.values())
        return {group: next(iter(splits)) for group, splits in of_group.items()}

    before = split(small_fish, tmp_path / "one")
    assert set(before.values()) == {"train", "val", "test"}
    assert split(small_fish, tmp_path / "two") == before

    grown = tmp_path / "grown"
    fishid.ok("data", "synth", grown, "--species", 4, "--per-class", 40, "--seed", 5)
    after = split(grown, tmp_path / "three")
    shared = before.keys() & after.keys()
    assert shared, "the larger set holds the same individuals"
    for group in shared:
        assert not (before[group] == "train" and after[group] == "test"), group


def test_a_nested_archive_is_imported_without_masks(fishid, small_fish, tmp_path):
    archive = tmp_path / "fish.zip"
    classes = sorted(folder for folder in small_fish.iterdir() if folder.is_dir())[:2]
    with zipfile.ZipFile(archive, "w") as file:
        for folder, name in zip(classes, ("Red Mullet", "Sea Bass"), strict=True):
            for photo in folder.glob("*.jpg"):
                file.write(photo, f"Fish_Dataset/{name}/{name}/{photo.name}")
                file.write(photo, f"Fish_Dataset/{name}/{name} GT/{photo.name}")
    outcome = fishid.ok("data", "import", archive, tmp_path / "datasets_final", "--json")
    assert "24" in outcome.out, "the number of skipped masks is told"
    root = tmp_path / "datasets_final" / "processed_images"
    assert {folder.name for folder in root.iterdir() if folder.is_dir()} == {"train", "val", "test"}
    imported = {path.parent.name for path in root.glob("*/*/*.jpg")}
    assert imported == {"red_mullet", "sea_bass"}
    assert len(list(root.glob("*/*/*.jpg"))) == 24


def test_the_real_photographs_have_no_problem_that_stops_training(fishid, real_data):
    status, found = problems(fishid, real_data / "fishcam")
    assert status == 0, found[:5]
