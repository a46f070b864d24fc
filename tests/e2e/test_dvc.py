"""`dvc repro` over the dvc.yaml of this repository: what has not changed is not done again."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import BINARY, SMALL_BACKBONE
from PIL import Image

ROOT = Path(__file__).parents[2]
STAGES = ["prepare", "train", "evaluate"]
PARAMS = """
data: photos
prepare:
  ratios: 60/20/20
  group-column: group
  seed: {prepare_seed}
train:
  backbone: {backbone}
  group-column: group
  seed: {train_seed}
"""


class Project:
    """A git and DVC repository with photographs and this repository's stages."""

    def __init__(self, folder, dvc, fishid, photos):
        self.folder, self.dvc = folder, dvc
        program = folder.parent / "bin"
        program.mkdir()
        (program / "fishid").symlink_to(BINARY.resolve())
        self.environment = fishid.environment() | {
            "PATH": f"{program}:{os.environ['PATH']}",
            "HOME": str(folder.parent),
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(folder.parent / "dvc-site-cache"),
        }
        for name in ("dvc.yaml", ".dvc/config", ".dvc/.gitignore", ".dvcignore"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        shutil.copytree(photos, folder / "photos")
        self.set_params()
        self.run("git", "init", "--quiet")

    def set_params(self, prepare_seed=0, train_seed=0):
        text = PARAMS.format(backbone=SMALL_BACKBONE, prepare_seed=prepare_seed, train_seed=train_seed)
        (self.folder / "params.yaml").write_text(text)

    def run(self, *command):
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def repro(self):
        """The stages that ran."""
        told = self.run(self.dvc, "repro")
        return [stage for stage in STAGES if f"Running stage '{stage}'" in told]

    def json(self, *command):
        return json.loads(self.run(self.dvc, *command))


@pytest.fixture
def project(fishid, small_fish, tmp_path):
    dvc = os.environ.get("FISHID_DVC")
    if not dvc:
        pytest.skip("FISHID_DVC is not set: `make test` sets it to the program dvc")
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(folder, dvc, fishid, small_fish)


def test_only_what_has_changed_is_done_again(project):
    assert project.repro() == STAGES
    metrics = json.loads((project.folder / "metrics.json").read_text())
    assert 0 <= metrics["accuracy"] <= 1
    bundle = json.loads((project.folder / "build/bundle/fishid.json").read_text())
    lock = json.loads((project.folder / "data.lock.json").read_text())
    assert bundle["data"]["digest"] == lock["digest"]
    shown = project.json("metrics", "show", "--json")[""]["data"]["metrics.json"]["data"]
    assert shown["macro_f1"] == metrics["macro_f1"]

    assert project.repro() == [], "nothing has changed"
    photo = next(iter(sorted((project.folder / "photos").glob("*/*.jpg"))))
    os.utime(photo)
    assert project.repro() == [], "the same bytes with another date are no change"

    project.set_params(train_seed=1)
    assert project.repro() == ["train", "evaluate"]

    with Image.open(photo) as picture:
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(photo, quality=90)
    assert project.repro() == STAGES
    after = json.loads((project.folder / "data.lock.json").read_text())
    assert after["digest"] != lock["digest"]
    assert project.repro() == []


def test_the_confusion_matrix_is_drawn_from_the_predictions(project):
    project.repro()
    plots = project.json("plots", "show", "--json", "--out", str(project.folder / "plots"))
    assert not plots.get("errors")
    (plot,) = plots["data"]["confusion"]
    metrics = json.loads((project.folder / "metrics.json").read_text())
    points = plot["content"]["data"]["values"]
    assert len(points) == metrics["n"]
    assert {point["actual"] for point in points} == {
        name for name, score in metrics["per_class"].items() if score["n"]
    }
