"""The tasks that are the same on a cluster and on a local Spark: what is checked before, what is read after.

The job itself trains, judges and registers; these tasks confirm it from outside, and say what came of it.
"""

from __future__ import annotations

import json
import logging
import math
import time

from airflow.providers.common.compat.sdk import BaseHook

from fish_airflow.errors import AirflowSkipException, RefusedError
from fish_airflow.mlflow_registry import MlflowRegistry
from fish_airflow.plan import below, name_of, plan_of
from fish_airflow.settings import TrainingSettings, training_settings
from fish_airflow.storage import Storage, is_below, is_s3

log = logging.getLogger("airflow.task")

ALIAS = "production"
SHARES = ("test/accuracy", "test/macro_f1")
ON_YANDEX = ("folder_id", "subnet_id", "service_account_id", "bucket", "code", "wheel")
ON_LOCAL = ("spark_master", "job_file")
LEAST_CLASSES = 2


def validate_environment(profile: str, **context) -> dict:
    """The variable, the connections, what they lead to; gives the plan of the run."""
    settings, params = training_settings(context), dict(context["params"])
    settings.refuse_missing(ON_YANDEX if profile == "yandex" else ON_LOCAL)
    data = params.pop("data") or settings.data
    work = settings.work
    for name, place in (("data", data), ("work", work)):
        if not place:
            raise RefusedError(
                f"no `{name}`: give it in the form, or in the Airflow variable `fish_training`"
            )
        if profile == "yandex" and not is_s3(place):
            raise RefusedError(
                f"`{name}` is {place}: hosts of a cluster share S3 alone, name s3://bucket/prefix"
            )
    if is_below(work, data):
        raise RefusedError(
            f"`work` ({work}) lies below the photographs ({data}): its files would be taken for theirs"
        )
    registry = MlflowRegistry(BaseHook.get_connection(settings.mlflow_connection))
    registry.answers()
    storage = Storage(BaseHook.get_connection(settings.storage_connection))
    if profile == "yandex":
        check_yandex(settings, storage)
    name = name_of(context)
    return params | {
        "profile": profile,
        "run_id": context["run_id"],
        "name": name,
        "data": data,
        "work": work,
        "report": below(work, f"reports/{name}.json"),
        "registry": registry.registry,
        "model": settings.model,
        "started": time.time(),
    }


def check_yandex(settings: TrainingSettings, storage: Storage) -> None:
    """The connection works, and the bucket has what the hosts will look for."""
    from airflow.providers.yandex.hooks.dataproc import DataprocHook

    from fish_airflow.cluster import clusters_named

    clusters_named(DataprocHook(yandex_conn_id=settings.yandex_connection), settings.folder_id, "fish-none")
    for file in ("train_fish_model.py", "prepare_host.sh", settings.wheel):
        place = below(settings.code, file)
        if not storage.exists(place):
            raise RefusedError(f"{place} is not there: run `make setup-airflow`")


def check_data(**context) -> dict:
    """Photographs of each class by their names; the job looks into every one of them."""
    settings, plan = training_settings(context), plan_of(context)
    storage = Storage(BaseHook.get_connection(settings.storage_connection))
    classes = storage.photographs(plan["data"])
    if len(classes) < LEAST_CLASSES:
        raise RefusedError(
            f"{plan['data']} has photographs of {len(classes)} species, at least {LEAST_CLASSES} are needed: "
            "one folder a species, see `make upload-dataset`"
        )
    log.info("%s photographs of %s species: %s", classes.total(), len(classes), dict(sorted(classes.items())))
    return {"photographs": classes.total(), "classes": dict(sorted(classes.items()))}


def validate_results(**context) -> dict:
    """MLflow has the version that the job reports, ready, with numbers that can be."""
    settings, plan = training_settings(context), plan_of(context)
    report = Storage(BaseHook.get_connection(settings.storage_connection)).report(plan["report"])
    registry = MlflowRegistry(BaseHook.get_connection(settings.mlflow_connection))
    number = str(report["version"])
    version = registry.version(plan["model"], number)
    if version is None:
        raise RuntimeError(
            f"{registry.address} has no version {number} of {plan['model']}, which the job reports"
        )
    if version.get("status", "READY") != "READY":
        raise RuntimeError(
            f"version {number} of {plan['model']} is {version['status']}: {version.get('status_message')}"
        )
    metrics = registry.metrics(version["run_id"]) if version.get("run_id") else {}
    wrong = [name for name in SHARES if not 0 <= metrics.get(name, math.nan) <= 1]
    if wrong or not metrics.get("test/n", 0) > 0:
        raise RuntimeError(
            f"the run of version {number} lacks numbers in MLflow: {', '.join(wrong) or 'test/n'}"
        )
    log.info("version %s: %s", number, {name: metrics[name] for name in (*SHARES, "test/n")})
    return {
        "version": number,
        "mlflow_run": version["run_id"],
        "metrics": {name: value for name, value in metrics.items() if name.startswith("test/")},
        "tags": {row["key"]: row["value"] for row in version.get("tags", [])},
        "job": report,
    }


def promote_model(**context) -> str:
    """The gate's decision, confirmed in MLflow; ends skipped where the version is not for production."""
    settings, plan = training_settings(context), plan_of(context)
    results = context["ti"].xcom_pull(task_ids="validate_results")
    job, version = results["job"], results["version"]
    if not job["promoted"]:
        verdict = job.get("verdict") or {}
        reasons = "; ".join(map(str, verdict.get("reasons", []))) or "no reasons given"
        by_hand = f" By hand: {job['promote_by_hand']}" if job.get("promote_by_hand") else ""
        raise AirflowSkipException(
            f"version {version} stays out of production: {verdict.get('decision')}: {reasons}.{by_hand}"
        )
    registry = MlflowRegistry(BaseHook.get_connection(settings.mlflow_connection))
    named = registry.version_of_alias(plan["model"], ALIAS)
    if named != version:
        raise RuntimeError(
            f"the alias {ALIAS} of {plan['model']} names version {named}, not {version}: moved meanwhile?"
        )
    log.info("version %s of %s is in production", version, plan["model"])
    return version


def training_report(**context) -> dict:
    """Parameters, photographs, numbers and decision, beside the job's report, for people and programs."""
    settings, plan = training_settings(context), plan_of(context)
    results = context["ti"].xcom_pull(task_ids="validate_results")
    found = context["ti"].xcom_pull(task_ids="check_data")
    report = {
        "run": plan,
        "photographs": found,
        "version": results["version"],
        "in_production": bool(results["job"]["promoted"]),
        "metrics": results["metrics"],
        "job": results["job"],
        "minutes": round((time.time() - plan["started"]) / 60, 1),
    }
    storage = Storage(BaseHook.get_connection(settings.storage_connection))
    place = plan["report"].removesuffix(".json")
    storage.write(f"{place}-training.json", json.dumps(report, ensure_ascii=False, indent=2))
    text = as_markdown(report)
    storage.write(f"{place}-training.md", text)
    log.info("%s-training.md:\n%s", place, text)
    return {
        "report": f"{place}-training.md",
        "version": report["version"],
        "in_production": report["in_production"],
    }


def as_markdown(report: dict) -> str:
    run, job, metrics = report["run"], report["job"], report["metrics"]
    verdict, found = job.get("verdict") or {}, report["photographs"]
    asked = {
        name: run[name] for name in ("backbone", "weights", "views", "epochs", "seed", "executors", "force")
    }
    lines = [
        f"# {run['model']} version {report['version']}",
        "",
        f"In production: {'yes' if report['in_production'] else 'no'}. "
        f"Run {run['run_id']}, {report['minutes']} minutes.",
        "",
        f"- Photographs: {found['photographs']} of {len(found['classes'])} species, "
        f"{job.get('quarantined', 0)} left out ({run['data']})",
        f"- Embeddings: {job.get('embeddings_computed')} computed, {job.get('embeddings_reused')} reused",
        *(f"- {name}: {value:.4f}" for name, value in sorted(metrics.items())),
        f"- Gate: {verdict.get('decision')}",
        *(f"  - {reason}" for reason in verdict.get("reasons", [])),
        "- Asked for: "
        + ", ".join(f"{name} {value}" for name, value in asked.items() if value not in ("", None)),
    ]
    return "\n".join(lines) + "\n"
