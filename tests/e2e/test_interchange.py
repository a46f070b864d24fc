"""A trained bundle is an MLflow model: MLflow itself loads it and gives the same answers."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "interchange" / "load_bundle.py"


def test_mlflow_loads_a_trained_bundle(small_bundle):
    python = os.environ.get("FISHID_STACK_PYTHON")
    if not python:
        pytest.skip("FISHID_STACK_PYTHON is not set: `make test` sets it to a Python with MLflow")
    bundle, trained = small_bundle
    digests = ["--bundle-digest", trained["bundle_digest"], "--model-digest", trained["model_digest"]]
    loaded = subprocess.run(
        [python, SCRIPT, bundle, *digests], capture_output=True, text=True, timeout=300, check=False
    )
    assert loaded.returncode == 0, loaded.stdout + loaded.stderr
