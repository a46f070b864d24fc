"""`make up`, `make status-local` and `make down`, as a person types them, in a home of their own."""

import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest
import requests
from conftest import Fishid, free_port
from services import stack_python

from stack import process

ROOT = Path(__file__).parents[2]
PORTS = ("FISHID_PORT", "MLFLOW_PORT", "S3_PORT", "POSTGRES_PORT", "REDIS_PORT")


@pytest.fixture
def home(tmp_path):
    stack_python()
    folder = tmp_path / "home"
    yield folder
    command = ["python3", ROOT / "scripts/stack.py", "--home", folder, "down", "--delete-data"]
    subprocess.run(command, check=True, timeout=120)


def make(home: Path, *arguments: str) -> subprocess.CompletedProcess:
    library = Fishid(home / "unused").environment()["ORT_DYLIB_PATH"]
    environment = os.environ | {"FISHID_HOME": str(home), "ORT_DYLIB_PATH": library}
    # The set-up and the compilation are tested by whoever runs this: they are done.
    done = ["-o", "build", "-o", "setup", "-o", "setup-stack"]
    return subprocess.run(
        ["make", *done, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_up_starts_everything_prints_the_addresses_and_down_ends_exactly_that(home):
    ports = {name: free_port() for name in PORTS}
    arguments = [f"{name}={port}" for name, port in ports.items()]
    started = time.monotonic()
    up = make(home, "up", *arguments)
    assert up.returncode == 0, up.stdout + up.stderr
    print(f"make up: {time.monotonic() - started:.1f} s")
    addresses = dict(
        re.findall(r"^(page and API|MLflow|S3|PostgreSQL|Redis|registry) +(\S+)", up.stdout, re.M)
    )
    assert addresses == {
        "page and API": f"http://127.0.0.1:{ports['FISHID_PORT']}",
        "MLflow": f"http://127.0.0.1:{ports['MLFLOW_PORT']}",
        "S3": f"http://127.0.0.1:{ports['S3_PORT']}",
        "PostgreSQL": f"127.0.0.1:{ports['POSTGRES_PORT']}",
        "Redis": f"127.0.0.1:{ports['REDIS_PORT']}",
        "registry": f"mlflow+http://127.0.0.1:{ports['MLFLOW_PORT']}",
    }
    assert f"pipeline run --data PHOTOGRAPHS --registry {addresses['registry']}" in up.stdout
    assert requests.get(addresses["MLflow"], timeout=10).status_code == 200
    page = requests.get(addresses["page and API"], timeout=10)
    assert page.status_code == 200
    predict = requests.post(
        f"{addresses['page and API']}/predict", files={"file": ("a.jpg", b"")}, timeout=10
    )
    assert predict.status_code in (400, 422, 503)
    assert requests.get(f"{addresses['page and API']}/ready", timeout=10).status_code == 503

    records = json.loads((home / "stack/state.json").read_text())["processes"]
    again = make(home, "up")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "starting" not in again.stderr, "what runs is left running, on the ports it has"
    assert json.loads((home / "stack/state.json").read_text())["processes"] == records
    status = make(home, "status-local")
    assert status.returncode == 0
    assert status.stdout.count("running") == 5
    metrics = requests.get(f"{addresses['page and API']}/metrics", timeout=10).text
    assert 'fishid_cache_tier_up{tier="redis"} 1' in metrics, "the server shares its answers there"

    down = make(home, "down")
    assert down.returncode == 0, down.stdout + down.stderr
    assert not any(process.is_running(record) for record in records.values())
    assert make(home, "status-local").returncode != 0
    assert (home / "stack/s3/buckets/mlflow").is_dir(), "the data stay"
    assert (home / "stack/pgpass").exists()


def test_up_says_which_port_is_taken(home):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        up = make(home, "up", f"MLFLOW_PORT={taken.getsockname()[1]}", f"POSTGRES_PORT={free_port()}")
    assert up.returncode != 0
    assert "make up MLFLOW_PORT=" in up.stderr
    assert "starting" not in up.stderr, "nothing is started that would have to be ended again"
