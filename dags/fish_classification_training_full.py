"""The whole training run: check, create a cluster, Spark job, results in MLflow, production, report, delete.

The cluster is deleted whatever happens, and a run that failed is still shown as failed. With
FISH_TRAINING_PROFILE=local in Airflow's environment the three tasks that know the cloud are those of a local
Spark master; nothing else differs. docs/AIRFLOW.md has the connections and variables.
"""

import os
from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import DAG, Param

from fish_airflow import callbacks, steps

try:
    from airflow.providers.standard.operators.python import PythonOperator
except ImportError:  # Airflow 2
    from airflow.operators.python import PythonOperator

PROFILE = os.environ.get("FISH_TRAINING_PROFILE", "yandex")
if PROFILE not in ("yandex", "local"):
    raise ValueError(f"FISH_TRAINING_PROFILE={PROFILE}: yandex or local")

# A value that is left empty is the job's own default.
PARAMS = {
    "data": Param(
        "",
        type="string",
        title="Photographs",
        description="`s3://bucket/prefix` of class folders; empty: `data` of the variable `fish_training`.",
        pattern=r"^(|s3a?://[^/]+.*|/.*)$",
    ),
    "backbone": Param(
        "tf-efficientnet-b4",
        type="string",
        title="Backbone",
        description="`tf-efficientnet-b0` … `b7`, `efficientnet-b0` … `b7`, or an ONNX file of the driver's.",
        minLength=1,
    ),
    "weights": Param(
        "",
        type="string",
        title="Weights",
        description="`auto`, `imagenet`, `random:SEED`, or a safetensors file of the driver's. "
        "Empty: `auto` for a network by name; an ONNX file has its own.",
    ),
    "views": Param(
        6,
        type="integer",
        title="Views",
        description="Views of each training photograph; the time for embedding grows with them.",
        minimum=1,
        maximum=64,
    ),
    "epochs": Param(
        60,
        type="integer",
        title="Epochs",
        description="The most epochs of the head's training.",
        minimum=1,
        maximum=1000,
    ),
    "executors": Param(
        4,
        type="integer",
        title="Executors",
        description="One a host: the cluster grows to as many hosts and shrinks when they are idle.",
        minimum=1,
        maximum=100,
    ),
    "seed": Param(
        0,
        type="integer",
        title="Seed",
        description="The same seed and photographs give the same model.",
        minimum=0,
    ),
    "force": Param(
        False,
        type="boolean",
        title="Do it again",
        description="Repeat steps whose result is known already; embeddings are reused all the same.",
    ),
}

with DAG(
    dag_id="fish_classification_training_full",
    description="Trains the fish classifier on Spark and brings it to production",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2024, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    # Two runs at a time would judge against each other's model.
    max_active_runs=1,
    params=PARAMS,
    default_args={
        "owner": "fishid",
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=10),
        "execution_timeout": timedelta(minutes=15),
    },
    on_success_callback=callbacks.run_succeeded,
    on_failure_callback=callbacks.run_failed,
    tags=["fishid", "training", PROFILE],
) as dag:
    # Not more than a try a task can repeat at will; deleting is tried for longest.
    OF_CREATION = {"retries": 1, "execution_timeout": timedelta(minutes=45)}
    OF_JOB = {"retries": 1, "execution_timeout": timedelta(hours=48)}
    OF_DELETION = {
        "retries": 5,
        "execution_timeout": timedelta(minutes=45),
        "on_failure_callback": callbacks.cluster_is_left,
    }

    validate = PythonOperator(
        task_id="validate_environment",
        python_callable=steps.validate_environment,
        op_kwargs={"profile": PROFILE},
    )
    check = PythonOperator(task_id="check_data", python_callable=steps.check_data)

    if PROFILE == "local":
        from fish_airflow import local_spark

        create = PythonOperator(
            task_id="create_cluster", python_callable=local_spark.find_master, **OF_CREATION
        )
        train = local_spark.TrainOnMaster(task_id="train_on_spark", **OF_JOB)
        delete = PythonOperator(
            task_id="delete_cluster", python_callable=local_spark.forget_master, **OF_DELETION
        )
    else:
        from fish_airflow import cluster

        create = cluster.CreateCluster(task_id="create_cluster", **OF_CREATION)
        train = cluster.TrainOnCluster(task_id="train_on_spark", upstream_cluster="create_cluster", **OF_JOB)
        delete = PythonOperator(
            task_id="delete_cluster", python_callable=cluster.delete_cluster, **OF_DELETION
        )

    results = PythonOperator(task_id="validate_results", python_callable=steps.validate_results)
    promote = PythonOperator(task_id="promote_model", python_callable=steps.promote_model)
    report = PythonOperator(
        task_id="training_report",
        python_callable=steps.training_report,
        # A version that the gate keeps out is reported as well.
        trigger_rule="none_failed",
    )

    validate >> check >> create >> train >> results >> promote >> report
    # Of two set-ups one is enough: it runs after a creation that failed, too. Its own failure fails the run.
    delete.as_teardown(setups=[validate, create], on_failure_fail_dagrun=True)
    # Straight after the job, not after the report; `validate_results` needs no cluster.
    train >> delete
