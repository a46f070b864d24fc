"""A real MLflow server alone, on SQLite and a folder, for as long as a test needs it."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import requests

from stack.service import free_port

STACK_PYTHON = os.environ.get("FISHID_STACK_PYTHON")


@contextlib.contextmanager
def mlflow_server(folder: Path, *arguments: str, authority: Path | None = None, settings: dict | None = None):
    """Its address; with the file of a certificate authority it is one of https.

    `settings` go to its environment.
    """
    if not STACK_PYTHON:
        pytest.skip("FISHID_STACK_PYTHON is not set: `make test` sets it to a Python with MLflow")
    port = free_port()
    command = [STACK_PYTHON, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/tracking.db"]
    command += ["--artifacts-destination", str(folder / "artifacts"), *arguments]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            command,
            env=os.environ | quiet | (settings or {}),
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"{'https' if authority else 'http'}://127.0.0.1:{port}"
    try:
        wait_healthy(url, process, folder / "server.log", str(authority) if authority else True)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_healthy(url, process, log, verify, seconds=180):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            if requests.get(f"{url}/health", timeout=2, verify=verify).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.2)
    raise AssertionError(log.read_text())
