"""What is said when a run ends: a line in the log, and to the address of a connection, if one is named."""

from __future__ import annotations

import json
import logging

log = logging.getLogger(__name__)
TIMEOUT_S = 20


def run_succeeded(context) -> None:
    tell(context, "succeeded")


def run_failed(context) -> None:
    tell(context, "failed")


def cluster_is_left(context) -> None:
    """Deleting failed for good: this is what costs money."""
    from fish_airflow.plan import name_of

    tell(context, f"cannot delete its cluster {name_of(context)}: delete it by hand, it costs money")


def tell(context, what: str) -> None:
    """Never raises: a run's end is not to depend on who listens."""
    run, dag = context["run_id"], context["dag"].dag_id
    line = {"dag": dag, "run": run, "outcome": what}
    if context.get("reason"):
        line["reason"] = str(context["reason"])
    log.warning("run ended: %s", json.dumps(line, ensure_ascii=False))
    try:
        connection = notify_connection()
        if connection is None:
            return
        import requests

        from fish_airflow.mlflow_registry import address_of

        headers = {"Authorization": f"Bearer {connection.password}"} if connection.password else {}
        message = {"text": f"{dag}: {run} {what}"} | line
        address = address_of(connection, "https://hooks.example.org/fish")
        requests.post(address, json=message, headers=headers, timeout=TIMEOUT_S).raise_for_status()
    except Exception:
        log.exception("nobody was told that the run %s", what)


def notify_connection():
    from airflow.providers.common.compat.sdk import BaseHook, Variable

    from fish_airflow.settings import TRAINING_VARIABLE

    name = (Variable.get(TRAINING_VARIABLE, deserialize_json=True) or {}).get("notify_connection")
    return BaseHook.get_connection(name) if name else None
