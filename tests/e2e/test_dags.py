"""The DAGs as Airflow loads them: no errors, the chain, the form, limits; nothing runs."""

import ast

import pytest
from airflow_lab import DAGS, TRAINING, WATCH

CHAIN = [
    "validate_environment",
    "check_data",
    "create_cluster",
    "train_on_spark",
    "validate_results",
    "promote_model",
    "training_report",
]
CLUSTER_TASKS = {"create_cluster", "train_on_spark", "delete_cluster"}
# What takes long to import, or reaches out while it is imported.
HEAVY = ("boto3", "mlflow", "pandas", "pyspark", "tensorflow", "torch", "onnxruntime", "fishid")


@pytest.fixture(scope="module")
def described(airflow):
    return {profile: airflow.describe(profile) for profile in ("local", "yandex")}


@pytest.mark.parametrize("profile", ["yandex", "local"])
def test_every_file_loads_and_has_the_two_dags(described, profile):
    assert described[profile]["errors"] == {}
    assert set(described[profile]["dags"]) == {TRAINING, WATCH}


@pytest.mark.parametrize("profile", ["yandex", "local"])
def test_the_chain_is_that_of_the_map_and_ends_in_deleting(described, profile):
    tasks = described[profile]["dags"][TRAINING]["tasks"]
    assert set(tasks) == {*CHAIN, "delete_cluster"}
    for task, following in zip(CHAIN, CHAIN[1:], strict=False):
        assert following in tasks[task]["downstream"]
    assert tasks["delete_cluster"]["is_teardown"]
    for task in ("validate_environment", "create_cluster", "train_on_spark"):
        assert "delete_cluster" in tasks[task]["downstream"]


def test_the_local_profile_swaps_the_three_cluster_tasks_and_nothing_else(described):
    local, yandex = (described[profile]["dags"][TRAINING] for profile in ("local", "yandex"))
    # By name and place in the chain they are the same, and so are all others in everything.
    for name, task in yandex["tasks"].items():
        same = {key for key in task if task[key] == local["tasks"][name][key]}
        assert same >= {"downstream", "retries", "seconds", "trigger_rule", "is_teardown"}, name
        if name not in CLUSTER_TASKS:
            assert task == local["tasks"][name]
    assert {yandex["tasks"][name]["kind"] for name in ("create_cluster", "train_on_spark")} == {
        "CreateCluster",
        "TrainOnCluster",
    }
    assert yandex["params"] == local["params"]


@pytest.mark.parametrize("dag", [TRAINING, WATCH])
def test_every_task_has_a_time_limit_and_retries_and_a_dag_runs_once_at_a_time(described, dag):
    found = described["yandex"]["dags"][dag]
    assert found["max_active_runs"] == 1
    assert not found["catchup"]
    assert found["callbacks"][1], "a failure is told"
    assert found["doc"]
    for name, task in found["tasks"].items():
        assert task["seconds"], name
        assert task["retries"] >= 1, name


def test_the_form_has_every_parameter_with_type_and_help(described):
    params = described["yandex"]["dags"][TRAINING]["params"]
    types = {name: param["schema"]["type"] for name, param in params.items()}
    assert types == {
        "data": "string",
        "backbone": "string",
        "weights": "string",
        "views": "integer",
        "epochs": "integer",
        "executors": "integer",
        "seed": "integer",
        "force": "boolean",
    }
    for name, param in params.items():
        assert param["description"] or param["schema"].get("description"), name
        assert param["schema"].get("title"), name
    assert described["yandex"]["dags"][TRAINING]["schedule"] == "None"
    assert described["yandex"]["dags"][WATCH]["schedule"] != "None"


def test_parsing_imports_nothing_heavy_in_the_local_profile_and_reads_no_variable(described):
    """The provider's operators bring numpy and pandas along in some versions; that is theirs."""
    loaded = {name.partition(".")[0] for name in described["local"]["modules"]}
    assert not loaded & set(HEAVY)
    print(f"parsing both files: {described['yandex']['seconds']:.2f} s CPU with the provider's first import")


@pytest.mark.parametrize("path", sorted(DAGS.rglob("*.py")), ids=lambda path: path.name)
def test_no_file_imports_heavy_things_or_reads_settings_at_its_top(path):
    tree = ast.parse(path.read_text())
    for node in tree.body:
        names = [alias.name for alias in getattr(node, "names", [])] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        assert not {name.partition(".")[0] for name in names} & {*HEAVY, "requests", "grpc", "yandex"}, path
        called = (
            {getattr(call.func, "attr", "") for call in ast.walk(node) if isinstance(call, ast.Call)}
            if isinstance(node, (ast.Expr, ast.Assign, ast.With))
            else set()
        )
        assert not called & {"get_connection", "get_variable"}, path
