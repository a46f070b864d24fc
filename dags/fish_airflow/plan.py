"""What one run will do, decided once by its first task and told to the others through XCom. It has no secret.

The cluster's name is made of the run's id alone, so that it can be deleted by whoever knows no more.
"""

from __future__ import annotations

import hashlib
import re

FIRST_TASK = "validate_environment"
# Of a cluster: `[a-z][-a-z0-9]{1,61}[a-z0-9]`.
READABLE_LENGTH = 40


def run_name(dag_id: str, run_id: str) -> str:
    readable = re.sub(r"[^a-z0-9]+", "-", run_id.lower()).strip("-")[:READABLE_LENGTH].strip("-")
    digest = hashlib.sha256(f"{dag_id}/{run_id}".encode()).hexdigest()[:10]
    return "-".join(part for part in ("fish", readable, digest) if part)


def name_of(context) -> str:
    return run_name(context["dag"].dag_id, context["run_id"])


def plan_of(context) -> dict:
    return context["ti"].xcom_pull(task_ids=FIRST_TASK)


def below(place: str, name: str) -> str:
    return place.rstrip("/") + "/" + name


def job_arguments(plan: dict) -> list[str]:
    """The arguments of spark_jobs/train_fish_model.py; what is empty is left to the job."""
    line = []
    for name in ("data", "registry", "model", "backbone", "weights", "views", "epochs", "seed", "executors"):
        if plan[name] not in ("", None):
            line += [f"--{name}", str(plan[name])]
    line += ["--work", plan["work"]]
    if plan["force"]:
        line.append("--force")
    return [*line, "--report", plan["report"]]
