"""Runs inside Airflow's own Python: a process that stays, so that each test saves Airflow's start.

Reads one request a line on its input, writes the answer into the file that the request names. Runs on
Airflow 2 and 3; what Airflow itself says goes to the output.
"""

import datetime
import importlib.util
import json
import os
import sys
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

AIRFLOW_3 = importlib.util.find_spec("airflow.sdk") is not None


def started(folder: str) -> float:
    """Seconds for Airflow's own start, with its tables."""
    began = time.monotonic()
    from airflow.utils.db import initdb

    initdb()
    go_on_after_a_time_limit()
    sys.path.insert(0, folder)
    return time.monotonic() - began


def go_on_after_a_time_limit() -> None:
    """`dag.test()` of Airflow 2 ends where a task meets its time limit; a scheduler goes on to the next."""
    if AIRFLOW_3:
        return
    from airflow.exceptions import AirflowTaskTimeout
    from airflow.models import dag as module

    run_task = module._run_task

    def run_one(**options):
        try:
            run_task(**options)
        except AirflowTaskTimeout as error:
            raise RuntimeError("the time limit") from error

    module._run_task = run_one


def bag_of(folder: str, profile: str):
    """The DAGs of a folder, as Airflow loads them for a profile."""
    if AIRFLOW_3:
        from airflow.dag_processing.dagbag import DagBag
    else:
        from airflow.models.dagbag import DagBag
    os.environ["FISH_TRAINING_PROFILE"] = profile
    bag = DagBag(folder, include_examples=False)
    return bag, {Path(path).name: str(text) for path, text in bag.import_errors.items()}


def describe(request: dict) -> dict:
    """Errors, tasks, parameters and edges; nothing runs."""
    before = set(sys.modules)
    began = time.process_time()
    bag, errors = bag_of(request["dags"], request["profile"])
    seconds = time.process_time() - began
    dags = {name: dag_as_json(dag) for name, dag in bag.dags.items()}
    return {"errors": errors, "dags": dags, "modules": sorted(set(sys.modules) - before), "seconds": seconds}


def dag_as_json(dag) -> dict:
    tasks = {
        task.task_id: {
            "kind": type(task).__name__,
            "downstream": sorted(task.downstream_task_ids),
            "retries": task.retries,
            "seconds": task.execution_timeout.total_seconds() if task.execution_timeout else None,
            "trigger_rule": str(getattr(task.trigger_rule, "value", task.trigger_rule)),
            "is_teardown": task.is_teardown,
        }
        for task in dag.tasks
    }
    params = {name: dag.params.get_param(name).dump() for name in dag.params}
    return {
        "tasks": tasks,
        "params": json.loads(json.dumps(params, default=str)),
        "schedule": str(getattr(dag, "schedule", getattr(dag, "schedule_interval", None))),
        "max_active_runs": dag.max_active_runs,
        "catchup": dag.catchup,
        "callbacks": [bool(dag.on_success_callback), bool(dag.on_failure_callback)],
        "doc": dag.doc_md,
    }


@contextmanager
def changed(values: dict):
    """Environment variables and constants of modules (`module:NAME`), put back afterwards."""
    environment = {name: value for name, value in values.items() if ":" not in name}
    before = {name: os.environ.get(name) for name in environment}
    constants = []
    os.environ.update(environment)
    for name, value in values.items():
        if ":" in name:
            module, _, constant = name.partition(":")
            module = importlib.import_module(module)
            constants.append((module, constant, getattr(module, constant)))
            setattr(module, constant, value)
    try:
        yield
    finally:
        for module, constant, value in constants:
            setattr(module, constant, value)
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


def run(request: dict) -> dict:
    """One run from its first task to its last, in this process; what came of it."""
    bag, errors = bag_of(request["dags"], request["profile"])
    if errors:
        return {"error": str(errors)}
    if not AIRFLOW_3:
        # What starts a run of another DAG looks for it in the tables.
        bag.sync_to_db()
    dag = bag.dags[request["dag"]]
    for name, wanted in request.get("tasks", {}).items():
        for attribute, value in wanted.items():
            is_time = attribute in ("execution_timeout", "retry_delay", "max_retry_delay")
            setattr(dag.get_task(name), attribute, datetime.timedelta(seconds=value) if is_time else value)
    now = datetime.datetime.now(datetime.UTC)
    with changed(request.get("set", {})):
        date = "logical_date" if AIRFLOW_3 else "execution_date"
        outcome = dag.test(**{date: now}, run_conf=request.get("conf"))
    return {"run_id": outcome.run_id} | outcome_of(dag.dag_id, outcome.run_id)


def outcome_of(dag_id: str, run_id: str) -> dict:
    """State of a run and of its tasks, and everything that the database keeps of them in clear."""
    from airflow.models import DagRun, TaskInstance, xcom
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.utils.session import create_session

    with create_session() as session:
        here = {"dag_id": dag_id, "run_id": run_id}
        found = session.query(DagRun).filter_by(**here).one()
        tasks = session.query(TaskInstance).filter_by(**here).all()
        values = session.query(getattr(xcom, "XComModel", None) or xcom.XCom).filter_by(**here).all()
        rendered = session.query(RenderedTaskInstanceFields).filter_by(**here).all()
        return {
            "state": str(getattr(found.state, "value", found.state)),
            "conf": found.conf,
            "tasks": {task.task_id: str(getattr(task.state, "value", task.state)) for task in tasks},
            "tries": {task.task_id: task.try_number for task in tasks},
            "xcom": {f"{row.task_id}.{row.key}": as_value(row) for row in values},
            "rendered": {row.task_id: str(row.rendered_fields) for row in rendered},
        }


def as_value(row):
    value = row.value
    if isinstance(value, bytes):
        value = value.decode()
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


def variable(request: dict) -> dict:
    """Sets a variable in the tables, deletes it with `null`; without a value, reads it."""
    from airflow.models import Variable

    if "value" in request:
        Variable.delete(request["name"])
        if request["value"] is not None:
            Variable.set(request["name"], request["value"])
    return {"value": Variable.get(request["name"], None)}


def connection(request: dict) -> dict:
    from airflow.hooks.base import BaseHook

    found = BaseHook.get_connection(request["name"])
    names = ("login", "password", "extra", "host", "port", "schema", "conn_type")
    return {"uri": found.get_uri()} | {name: getattr(found, name) for name in names}


def state(request: dict) -> dict:
    """Of a run that a scheduler drives."""
    return outcome_of(request["dag"], request["run_id"])


def main() -> None:
    from airflow import __version__

    folder = sys.argv[1]
    answers = {
        "describe": describe,
        "run": run,
        "state": state,
        "variable": variable,
        "connection": connection,
    }
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["what"] == "start":
                answer = {"seconds": started(folder), "version": __version__}
            else:
                answer = answers[request["what"]](request)
        except BaseException:
            answer = {"error": traceback.format_exc()}
        path = Path(request["answer"])
        path.with_suffix(".part").write_text(json.dumps(answer, default=str))
        path.with_suffix(".part").rename(path)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
