"""Airflow as the tests use it: a process that stays, with tables of its own, and the DAGs that are here."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DAGS = ROOT / "dags"
TRAINING = "fish_classification_training_full"
WATCH = "fish_drift_watch"


def airflow_python(variable: str = "FISHID_AIRFLOW_PYTHON") -> Path:
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"{variable} is not set: `make test` sets it to a Python with Airflow")
    return Path(python)


def airflow_environment(python: Path, folder: Path, **extra: str) -> dict[str, str]:
    """Without a person's own Airflow, and without a network for anything but this machine."""
    foreign = ("AIRFLOW", "FISHID_", "MLFLOW_", "AWS_", "GRPC_", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    settings = {
        "AIRFLOW_HOME": folder,
        "AIRFLOW__CORE__DAGS_FOLDER": DAGS,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PATH": f"{python.parent}{os.pathsep}{kept['PATH']}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return kept | {name: str(value) for name, value in settings.items()} | extra


class Airflow:
    """The process; `log` is all that Airflow said."""

    def __init__(self, python: Path, folder: Path, **extra: str):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.log, self.n = folder, folder / "driver.log", 0
        self.python, self.environment = python, airflow_environment(python, folder, **extra)
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [python, ROOT / "tests/airflow/driver.py", DAGS],
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                text=True,
            )
        self.version = self.ask("start")["version"]

    def ask(self, what: str, seconds: float = 400, **request) -> dict:
        self.n += 1
        answer = self.folder / f"answer-{self.n}.json"
        self.process.stdin.write(json.dumps({"what": what, "answer": str(answer)} | request) + "\n")
        self.process.stdin.flush()
        until = time.monotonic() + seconds
        while not answer.exists():
            assert self.process.poll() is None, f"Airflow ended: {self.words()[-4000:]}"
            assert time.monotonic() < until, f"no answer after {seconds} s: {self.words()[-4000:]}"
            time.sleep(0.02)
        said = json.loads(answer.read_text())
        assert "error" not in said, f"{said['error']}\n{self.words()[-4000:]}"
        return said

    def words(self) -> str:
        return self.log.read_text(errors="replace")

    def describe(self, profile: str, dags: Path = DAGS) -> dict:
        return self.ask("describe", dags=str(dags), profile=profile)

    def run(self, dag: str, profile: str = "yandex", **request) -> dict:
        """One run; the answer has its words in `log`."""
        before = len(self.words())
        answer = self.ask("run", dags=str(DAGS), dag=dag, profile=profile, **request)
        return answer | {"log": self.words()[before:]}

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(60)
