"""Photographs and embeddings in S3: the commands end to end against a real server."""

import time

import pytest
from conftest import Fishid
from services import stack_python

from stack import LocalStack, MissingPrerequisiteError, Settings


class S3:
    """The stack's S3 server alone, with its bucket `data`."""

    def __init__(self, folder):
        self.stack = LocalStack(folder, Settings(ports={"s3": 0}, python=stack_python()))
        self.service = self.stack.services["s3"]
        self.bucket = self.service.objects / "buckets" / "data"
        self.start()

    def start(self):
        self.stack.start("s3")

    def stop(self):
        self.stack.stop("s3")

    def env(self, **extra):
        return self.service.settings() | extra


@pytest.fixture
def s3(tmp_path):
    try:
        server = S3(tmp_path / "server")
    except MissingPrerequisiteError as error:
        pytest.skip(str(error))
    yield server
    server.stop()


def test_a_data_set_in_s3_trains_the_same_model_as_its_folder(fishid, small_fish, small_bundle, s3, tmp_path):
    data = "s3://data/rivers/2026"
    env = s3.env()
    photos = [path for path in small_fish.rglob("*") if path.is_file()]
    first = fishid.ok("data", "upload", small_fish, data, "--json", env=env).json()
    assert first["n_uploaded"] == len(photos)
    assert first["n_skipped"] == 0
    again = fishid.ok("data", "upload", small_fish, data, "--json", env=env).json()
    assert again["n_uploaded"] == 0
    assert again["n_skipped"] == len(photos)

    assert fishid("data", "check", data, "--json", env=env).status == 0
    fishid.ok("data", "split", data, tmp_path / "split", env=env)
    split_photos = list((tmp_path / "split").rglob("*.jpg"))
    assert len(split_photos) == len(list(small_fish.rglob("*.jpg")))

    trained = fishid.ok("train", "--data", data, "--out", tmp_path / "bundle", "--json", env=env).json()
    assert trained["model_digest"] == small_bundle[1]["model_digest"]
    evaluated = fishid.ok("evaluate", tmp_path / "bundle", "--data", data, "--json", env=env).json()
    assert evaluated["n"] == len(split_photos)
    result = fishid.ok("pipeline", "run", "--data", data, env=env)
    assert "promote" in result.out + result.err


def test_embeddings_are_shared_between_machines_and_a_dead_server_loses_none(small_fish, s3, tmp_path):
    env = s3.env(FISHID_TRAIN__EMBEDDINGS="s3://data/embeddings", AWS_MAX_ATTEMPTS="2")

    def train(machine):
        fishid = Fishid(tmp_path / machine)
        out = tmp_path / f"{machine}-{time.monotonic_ns()}"
        outcome = fishid.ok("train", "--data", small_fish, "--out", out, "--json", env=env)
        return outcome.json(), outcome.err

    s3.stop()
    alone, said = train("first")
    assert alone["embeddings_computed"] > 0
    assert "cannot be reached" in said, said
    assert "s3://data/embeddings" in said, said
    s3.start()
    again, said = train("first")
    assert again["embeddings_computed"] == 0
    assert "warning" not in said, said
    assert list((s3.bucket / "embeddings").rglob("*.parquet"))
    other, _ = train("second")
    assert other["embeddings_computed"] == 0
    assert other["embeddings_reused"] == alone["embeddings_computed"]
    assert other["model_digest"] == alone["model_digest"]


def test_what_s3_refuses_is_said_with_the_remedy(fishid, small_fish, s3, tmp_path):
    outcome = fishid("data", "check", "s3://lakes/pike", env=s3.env())
    assert outcome.status == 1
    assert "bucket lakes does not exist" in outcome.err
    assert "create it" in outcome.err
    env = s3.env(AWS_SECRET_ACCESS_KEY="wrong-secret")
    outcome = fishid("data", "upload", small_fish, "s3://data/x", env=env)
    assert outcome.status == 1
    assert "AWS_SECRET_ACCESS_KEY" in outcome.err
    assert "wrong-secret" not in outcome.err + outcome.out
    assert list(s3.bucket.iterdir()) == []
    outcome = fishid("data", "upload", small_fish / "nowhere", "s3://data/x", env=s3.env())
    assert outcome.status == 2, outcome.err
    assert "nowhere does not exist" in outcome.err
    (tmp_path / "empty").mkdir()
    outcome = fishid("data", "upload", tmp_path / "empty", "s3://data/x", env=s3.env())
    assert outcome.status == 2
    assert "holds no files" in outcome.err
