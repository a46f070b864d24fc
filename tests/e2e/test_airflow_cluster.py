"""The training DAG through the provider's own operators, against a control plane of its public interface.

A cluster is always gone at the end, a failed run is shown as failed, and no secret is in any request.
"""

import json
import sys

import pytest
from airflow_lab import ROOT, TRAINING, Airflow, airflow_python
from cloud import (
    ACCOUNT,
    CODE,
    FOLDER_ID,
    PHOTOGRAPHS,
    SUBNET,
    WHEEL,
    WORK,
    Cloud,
    bring_code,
    host_environment,
    mlflow_connection,
    settings,
    storage_connection,
)
from conftest import SMALL_BACKBONE
from services import TOKEN

SOON = {"retry_delay": 0.1, "max_retry_delay": 0.1, "retry_exponential_backoff": False}
CONF = {"backbone": str(SMALL_BACKBONE), "views": 1, "epochs": 5, "executors": 3, "seed": 4}


class Lab:
    def __init__(self, folder, services, small_fish):
        self.services = services
        python = airflow_python()
        host = {
            "endpoint": services.stack.services["s3"].address,
            "environment": host_environment(services, folder / "host"),
            "command": [sys.executable],
        }
        services.fishid.ok("data", "upload", small_fish, PHOTOGRAPHS)
        bring_code(services, folder / "code", ROOT / "tests/airflow/one_machine_job.py")
        self.cloud = Cloud(folder / "cloud", python, host)
        self.airflow = Airflow(
            python,
            folder / "airflow",
            GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=str(self.cloud.certificate),
            AIRFLOW_CONN_YANDEXCLOUD_DEFAULT=self.cloud.connection(),
            AIRFLOW_CONN_FISHID_S3=storage_connection(services),
            AIRFLOW_CONN_FISHID_MLFLOW=mlflow_connection(services),
            AIRFLOW_VAR_FISH_TRAINING=json.dumps(settings()),
        )

    def run(self, conf=None, tasks=None, variable=None, **scenario):
        self.cloud.set(**scenario)
        soon = {name: dict(SOON) for name in ("create_cluster", "train_on_spark", "delete_cluster")}
        for name, wanted in (tasks or {}).items():
            soon.setdefault(name, {}).update(wanted)
        changes = {"fish_airflow.cluster:LOOK_EVERY_S": 0.2}
        if variable is not None:
            changes["AIRFLOW_VAR_FISH_TRAINING"] = json.dumps(variable)
        return self.airflow.run(TRAINING, conf=CONF | (conf or {}), tasks=soon, set=changes)

    def secrets(self) -> list[str]:
        keys = self.services.stack.services["s3"].settings()
        key_lines = self.cloud.private_key.splitlines()[1:4]
        return [TOKEN, keys["AWS_SECRET_ACCESS_KEY"], keys["AWS_ACCESS_KEY_ID"], *key_lines]

    def close(self):
        self.airflow.close()
        self.cloud.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory, services, small_fish):
    running = Lab(tmp_path_factory.mktemp("cluster"), services, small_fish)
    yield running
    running.close()


@pytest.fixture(scope="module")
def fine(lab):
    """A run in which all goes well, and the requests that arrived."""
    outcome = lab.run(create_seconds=1)
    return outcome, lab.cloud.requests()


def only(requests: list[dict], method: str) -> dict:
    (found,) = [row["request"] for row in requests if row["method"] == method]
    return found


def test_a_run_trains_registers_reports_and_its_cluster_is_gone(lab, fine):
    outcome, _ = fine
    assert outcome["state"] == "success", outcome["log"][-6000:]
    # Drawn fish are a demonstration: registered, and kept out of production by the gate.
    tasks = dict.fromkeys(outcome["tasks"], "success") | {"promote_model": "skipped"}
    assert outcome["tasks"] == tasks
    assert lab.cloud.clusters == {}
    version = outcome["xcom"]["validate_results.return_value"]["version"]
    shown = lab.services.fishid.ok(
        "registry", "list", "--registry", lab.services.registry, "--model", "airflow-fish", "--json"
    )
    assert version in shown.out
    assert "stays out of production" in outcome["log"]
    place = outcome["xcom"]["training_report.return_value"]["report"]
    assert place.startswith(f"{WORK}/reports/fish-")
    text = (
        lab.services.stack.services["s3"].objects.joinpath("buckets", place.removeprefix("s3://")).read_text()
    )
    assert f"airflow-fish version {version}" in text
    assert "test/accuracy" in text


def test_the_cluster_that_is_asked_for_has_a_master_and_hosts_that_come_and_go(fine):
    outcome, requests = fine
    asked = only(requests, "ClusterService.Create")
    plan = outcome["xcom"]["validate_environment.return_value"]
    assert asked["name"] == plan["name"]
    assert (asked["folder_id"], asked["service_account_id"]) == (FOLDER_ID, ACCOUNT)
    assert asked["bucket"] == "data"
    assert asked["labels"]["app"] == "fishid"
    assert asked["security_group_ids"] == ["enpgroup000000000000"]
    master, compute = asked["config_spec"]["subclusters_spec"]
    assert (master["role"], master["hosts_count"], master["subnet_id"]) == ("MASTERNODE", "1", SUBNET)
    assert (compute["role"], compute["hosts_count"], compute["subnet_id"]) == ("COMPUTENODE", "1", SUBNET)
    scaling = compute["autoscaling_config"]
    assert scaling["max_hosts_count"] == str(CONF["executors"])
    assert scaling["stabilization_duration"] == "120s"
    assert not scaling.get("preemptible")
    hadoop = asked["config_spec"]["hadoop"]
    assert hadoop["services"] == ["YARN", "SPARK"]
    (action,) = hadoop["initialization_actions"]
    assert action["uri"] == f"{CODE}/prepare_host.sh"
    assert action["args"][0] == f"{CODE}/{WHEEL}"


def test_the_job_gets_the_parameters_of_the_form_and_nothing_else(fine):
    outcome, requests = fine
    job = only(requests, "JobService.Create")
    plan = outcome["xcom"]["validate_environment.return_value"]
    assert job["pyspark_job"]["main_python_file_uri"] == f"{CODE}/train_fish_model.py"
    assert job["pyspark_job"]["args"] == [
        *("--data", PHOTOGRAPHS, "--registry", plan["registry"], "--model", "airflow-fish"),
        *("--backbone", CONF["backbone"], "--views", "1", "--epochs", "5"),
        *("--seed", "4", "--executors", "3", "--work", WORK, "--report", plan["report"]),
    ]
    assert job["pyspark_job"]["properties"]["spark.submit.deployMode"] == "client"


def test_no_secret_is_in_a_request_an_xcom_a_rendered_field_or_a_log(lab, fine):
    outcome, requests = fine
    kept = (
        json.dumps([requests, outcome["xcom"], outcome["rendered"]])
        + lab.airflow.words()
        + lab.cloud.job_logs()
    )
    assert "airflow-fish" in kept
    for secret in lab.secrets():
        assert secret not in kept
    assert all(row["has_token"] for row in requests), "every call bears the account's token"


def test_a_job_that_fails_is_tried_again_and_the_run_is_failed_and_the_cluster_gone(lab):
    outcome = lab.run(conf={"backbone": "no-such-network"})
    assert outcome["state"] == "failed"
    assert outcome["tasks"]["train_on_spark"] == "failed"
    assert outcome["tasks"]["delete_cluster"] == "success"
    assert outcome["tasks"]["training_report"] == "upstream_failed"
    assert len(lab.cloud.requests("JobService.Create")) == 2
    assert lab.cloud.clusters == {}
    assert "no-such-network" in lab.cloud.job_logs()


def test_a_job_whose_operation_ends_well_though_it_failed_is_a_failure(lab):
    outcome = lab.run(
        conf={"backbone": "no-such-network"}, tasks={"train_on_spark": {"retries": 0}}, job="fails in silence"
    )
    assert outcome["state"] == "failed"
    assert outcome["tasks"]["train_on_spark"] == "failed"
    assert "did not end well" in outcome["log"]
    assert lab.cloud.clusters == {}


def test_a_cluster_that_was_half_made_is_deleted_and_made_again(lab):
    outcome = lab.run(create="fails")
    assert outcome["state"] == "failed"
    assert outcome["tasks"]["create_cluster"] == "failed"
    assert outcome["tasks"]["delete_cluster"] == "success"
    assert len(lab.cloud.requests("ClusterService.Create")) == 2
    assert len(lab.cloud.requests("ClusterService.Delete")) == 2
    assert lab.cloud.clusters == {}


def test_a_creation_that_hangs_ends_at_its_limit_and_the_cluster_is_deleted_when_it_lets_itself(lab):
    limit = {"create_cluster": {"execution_timeout": 2, "retries": 0}}
    outcome = lab.run(tasks=limit, create="hangs", refuses_deletion_seconds=4)
    assert outcome["state"] == "failed"
    assert outcome["tasks"]["create_cluster"] == "failed"
    assert "AirflowTaskTimeout" in outcome["log"]
    assert "not yet: the cluster is being created" in outcome["log"]
    assert outcome["tasks"]["delete_cluster"] == "success"
    assert lab.cloud.clusters == {}
    assert lab.cloud.requests("JobService.Create") == []


def test_a_job_that_hangs_is_cancelled_at_its_limit(lab):
    limit = {"train_on_spark": {"execution_timeout": 2, "retries": 0}}
    outcome = lab.run(tasks=limit, job="hangs")
    assert outcome["state"] == "failed"
    assert len(lab.cloud.requests("JobService.Cancel")) == 1
    assert lab.cloud.clusters == {}


def test_a_deletion_that_fails_is_tried_until_the_cluster_is_gone(lab):
    outcome = lab.run(deletions_that_fail=2)
    assert outcome["state"] == "success", outcome["log"][-6000:]
    assert outcome["tries"]["delete_cluster"] == 3
    assert lab.cloud.clusters == {}


def test_a_cluster_that_cannot_be_deleted_fails_the_run_and_is_told(lab):
    outcome = lab.run(tasks={"delete_cluster": {"retries": 1}}, deletions_that_fail=10**6)
    assert outcome["state"] == "failed"
    assert outcome["tasks"]["training_report"] == "success"
    assert "cannot delete its cluster" in outcome["log"]
    name = outcome["xcom"]["validate_environment.return_value"]["name"]
    assert list(lab.cloud.clusters) == [name]


@pytest.mark.parametrize(
    ("conf", "variable", "words"),
    [
        ({"data": "s3://data/airflow/nothing"}, None, "has photographs of 0 species"),
        ({}, {"wheel": ""}, "lacks wheel: run `make setup-airflow`"),
        ({}, {"wheel": "another.whl"}, "another.whl is not there: run `make setup-airflow`"),
        ({}, {"folder": "x"}, "unknown key `folder`"),
        ({"data": "/photographs"}, None, "hosts of a cluster share S3 alone"),
    ],
)
def test_what_is_missing_is_named_before_anything_is_paid_for(lab, conf, variable, words):
    outcome = lab.run(conf=conf, variable=None if variable is None else settings(**variable))
    assert outcome["state"] == "failed"
    assert words in outcome["log"]
    assert lab.cloud.requests("Create") == []
