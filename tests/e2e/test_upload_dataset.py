"""`make upload-dataset`: checked first, brought to a real S3 server, gone on with."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import BINARY
from test_storage import s3  # noqa: F401

SCRIPT = Path(__file__).parents[2] / "scripts" / "upload_dataset.sh"


@pytest.fixture
def upload(fishid, s3):  # noqa: F811
    def run(*arguments, **extra):
        return subprocess.run(
            [SCRIPT, *map(str, arguments)],
            env=fishid.environment(**s3.env(FISHID_BIN=str(BINARY), PATH=os.environ["PATH"], **extra)),
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


def test_photographs_are_checked_and_brought_and_a_cut_call_goes_on(upload, s3, small_fish):  # noqa: F811
    photos = [path for path in small_fish.rglob("*") if path.is_file()]
    dry = upload("s3://data/rivers", small_fish, DRY_RUN="1")
    assert dry.returncode == 0, dry.stderr
    assert "would run:" in dry.stdout
    assert not (s3.bucket / "rivers").exists()

    first = upload("s3://data/rivers", small_fish)
    assert first.returncode == 0, first.stderr
    lost = next((s3.bucket / "rivers").rglob("*.jpg"))
    lost.unlink()
    again = upload("s3://data/rivers", small_fish)
    assert again.returncode == 0, again.stderr
    assert lost.exists()
    assert f"{len(photos) - 1} " in again.stdout + again.stderr, "what was there was left alone"
    for secret in (s3.env()["AWS_SECRET_ACCESS_KEY"],):
        assert secret not in first.stdout + first.stderr + again.stdout + again.stderr


def test_a_broken_photograph_stops_it_before_anything_is_brought(upload, s3, small_fish, tmp_path):  # noqa: F811
    shutil.copytree(small_fish, tmp_path / "fish")
    broken = next((tmp_path / "fish").rglob("*.jpg"))
    broken.write_bytes(b"not a photograph")
    outcome = upload("s3://data/broken", tmp_path / "fish")
    assert outcome.returncode == 2
    assert "nothing was brought" in outcome.stderr
    assert broken.name in outcome.stdout + outcome.stderr
    assert not (s3.bucket / "broken").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((), 64, "TO=s3://BUCKET/PREFIX"),
        (("/somewhere",), 64, "TO=s3://BUCKET/PREFIX"),
        (("s3://data/x", "/nowhere"), 2, "there is no folder '/nowhere'"),
    ],
)
def test_a_wrong_call_names_the_remedy(arguments, status, words):
    outcome = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, timeout=60)
    assert outcome.returncode == status
    assert words in outcome.stderr
