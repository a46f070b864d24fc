"""Airflow variables, one JSON object a DAG, read when a task runs and never when a file is parsed.

Knows names, types and defaults; knows no cloud.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TypeVar

from fish_airflow.errors import RefusedError

TRAINING_VARIABLE = "fish_training"
DRIFT_VARIABLE = "fish_drift_watch"
KINDS = {"str": str, "int": int, "float": (int, float), "bool": bool, "list": list, "dict": dict}


@dataclass(frozen=True)
class TrainingSettings:
    """The variable `fish_training`: where this installation trains."""

    # Data Processing.
    folder_id: str = ""
    subnet_id: str = ""
    service_account_id: str = ""
    bucket: str = ""
    zone: str = "ru-central1-a"
    image_version: str = "2.1"
    security_group_ids: list = dataclasses.field(default_factory=list)
    # Without a key the hosts are entered by OS Login.
    ssh_public_key: str = ""
    log_group_id: str = ""
    master_preset: str = "s3-c2-m8"
    master_disk_gb: int = 64
    compute_preset: str = "s3-c8-m32"
    compute_disk_gb: int = 128
    disk_type: str = "network-ssd"
    # One executor a host; its network runs outside of the JVM, hence more overhead than heap.
    executor_cores: int = 8
    executor_memory: str = "4g"
    executor_memory_overhead: str = "16g"
    host_python: str = "/opt/conda/bin/python"
    # Below `code`: the job, the script that prepares a host, the wheel. Names in S3, not in a file system.
    code: str = ""
    wheel: str = ""
    # The id of a secret in Lockbox that the hosts read as their service account: MLFLOW_TRACKING_TOKEN …
    lockbox_secret_id: str = ""
    # The profile `local`.
    spark_master: str = ""
    spark_submit: str = "spark-submit"
    job_file: str = ""
    local_job: dict = dataclasses.field(default_factory=dict)
    # Both.
    data: str = ""
    work: str = ""
    model: str = "fish-classifier"
    yandex_connection: str = "yandexcloud_default"
    storage_connection: str = "fishid_s3"
    mlflow_connection: str = "fishid_mlflow"
    notify_connection: str = ""

    def refuse_missing(self, names: tuple[str, ...]) -> None:
        missing = [name for name in names if not getattr(self, name)]
        if missing:
            raise RefusedError(
                f"the Airflow variable `{TRAINING_VARIABLE}` lacks {', '.join(missing)}: "
                "run `make setup-airflow`, or add it by hand (docs/AIRFLOW.md)"
            )


@dataclass(frozen=True)
class DriftSettings:
    """The variable `fish_drift_watch`: which signal, how high, for how long, how often at most."""

    query: str = "max by (signal) (fishid_drift_score)"
    threshold: float = 0.2
    hold_minutes: int = 60
    cooldown_hours: int = 24
    prometheus_connection: str = "fishid_prometheus"
    # Parameters of the run that is triggered.
    parameters: dict = dataclasses.field(default_factory=dict)


Settings = TypeVar("Settings", TrainingSettings, DriftSettings)


def training_settings(context) -> TrainingSettings:
    return read(context, TRAINING_VARIABLE, TrainingSettings)


def drift_settings(context) -> DriftSettings:
    return read(context, DRIFT_VARIABLE, DriftSettings)


def read(context, name: str, kind: type[Settings]) -> Settings:
    """The variable as settings; a key that is unknown or of another type is named."""
    try:
        given = context["var"]["json"].get(name, {})
    except ValueError as error:
        raise RefusedError(f"the Airflow variable `{name}` is no JSON: {error}") from error
    if not isinstance(given, dict):
        raise RefusedError(f"the Airflow variable `{name}` is to be one JSON object (docs/AIRFLOW.md)")
    types = {field.name: field.type for field in dataclasses.fields(kind)}
    for key, value in given.items():
        if key not in types:
            raise RefusedError(
                f"the Airflow variable `{name}` has the unknown key `{key}`; known: {', '.join(types)}"
            )
        if not isinstance(value, KINDS[types[key]]) or (isinstance(value, bool) and types[key] != "bool"):
            raise RefusedError(
                f"`{key}` of the Airflow variable `{name}` is to be of type {types[key]}: {value!r}"
            )
    return kind(**given)
