"""The same three tasks on a Spark master that is there already, by `spark-submit`."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import BaseHook, BaseOperator

from fish_airflow.errors import RefusedError
from fish_airflow.mlflow_registry import MlflowRegistry
from fish_airflow.plan import job_arguments, name_of, plan_of
from fish_airflow.settings import TrainingSettings, training_settings
from fish_airflow.storage import Storage

CONNECT_S = 10.0
END_WITHIN_S = 60.0
# Finds a driver again whose task was killed.
MARK = "FISH_TRAINING_RUN"
# What a driver must not inherit from Airflow: its own database and keys.
FOREIGN = ("AIRFLOW", "FISHID_", "MLFLOW_", "AWS_", "PYTHONPATH", "_AIRFLOW")


def find_master(**context) -> str:
    """In the place of the task that creates a cluster: the master answers."""
    settings = training_settings(context)
    parts = urlsplit(settings.spark_master)
    if parts.scheme != "spark" or not parts.hostname:
        raise RefusedError(f"`spark_master` is to be like spark://127.0.0.1:7077: {settings.spark_master!r}")
    with socket.create_connection((parts.hostname, parts.port or 7077), timeout=CONNECT_S):
        return settings.spark_master


class TrainOnMaster(BaseOperator):
    """`spark-submit` with the job's arguments; secrets go into its environment alone."""

    process: subprocess.Popen | None = None

    def execute(self, context):
        settings, plan = training_settings(context), plan_of(context)
        end_drivers(plan["name"], self.log)
        command = [settings.spark_submit, "--master", settings.spark_master]
        conf = {
            "spark.executor.cores": settings.executor_cores,
            "spark.executor.memory": settings.executor_memory,
        }
        for name, value in (conf | settings.local_job.get("conf", {})).items():
            command += ["--conf", f"{name}={value}"]
        command += [settings.job_file, *job_arguments(plan)]
        self.log.info("running %s", " ".join(command))
        with tempfile.TemporaryDirectory(prefix="fish-training-") as folder:
            self.process = subprocess.Popen(
                command,
                env=environment(settings, plan["name"]),
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            try:
                for line in self.process.stdout:
                    self.log.info("%s", line.rstrip())
                status = self.process.wait()
            finally:
                # A time limit comes as an exception.
                self.on_kill()
        if status == 2:
            raise RefusedError(
                "the job refused the photographs or settings: see the line with `error:` above"
            )
        if status != 0:
            raise RuntimeError(f"the job ended with status {status}: see above")

    def on_kill(self):
        process = self.process
        if process is None or process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def forget_master(**context) -> None:
    """In the place of the task that deletes the cluster: a driver that a killed task left is ended."""
    end_drivers(name_of(context), logging.getLogger("airflow.task"))


def environment(settings: TrainingSettings, name: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
    secrets = MlflowRegistry(BaseHook.get_connection(settings.mlflow_connection)).secrets()
    secrets |= Storage(BaseHook.get_connection(settings.storage_connection)).settings()
    return kept | secrets | settings.local_job.get("environment", {}) | {MARK: name}


def end_drivers(name: str, log) -> None:
    """Asks the processes that this host runs for the run to end, then insists."""
    until = time.monotonic() + END_WITHIN_S
    asked = set()
    while pids := drivers(name):
        overdue = time.monotonic() > until
        for pid in pids if overdue else pids - asked:
            log.info("ending process %s of the run, whose task was killed", pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if overdue else signal.SIGTERM)
        asked |= pids
        time.sleep(0.1)


def drivers(name: str) -> set[int]:
    """Processes with the run's mark in their environment; one that has ended shows none."""
    mark = f"{MARK}={name}".encode()
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.add(int(folder.name))
    return found
