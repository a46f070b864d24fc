"""Looks at the drift of the served model in Prometheus, and trains again when it stays above the threshold.

Query, threshold, how long it has to last and how often it may train: the variable `fish_drift_watch`
(docs/AIRFLOW.md).
"""

from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import DAG

from fish_airflow import callbacks, drift

try:
    from airflow.providers.standard.operators.python import PythonOperator, ShortCircuitOperator
    from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
except ImportError:  # Airflow 2
    from airflow.operators.python import PythonOperator, ShortCircuitOperator
    from airflow.operators.trigger_dagrun import TriggerDagRunOperator

with DAG(
    dag_id="fish_drift_watch",
    description="Trains again when what is photographed has changed",
    doc_md=__doc__,
    schedule=timedelta(minutes=15),
    start_date=datetime(2024, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={
        "owner": "fishid",
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "execution_timeout": timedelta(minutes=5),
    },
    on_failure_callback=callbacks.run_failed,
    # Trains with what the variable says, as Python values.
    render_template_as_native_obj=True,
    tags=["fishid", "drift"],
) as dag:
    look = ShortCircuitOperator(task_id="drift_stays_high", python_callable=drift.drift_stays_high)
    trigger = TriggerDagRunOperator(
        task_id="trigger_training",
        trigger_dag_id="fish_classification_training_full",
        trigger_run_id="drift__{{ run_id }}",
        conf="{{ ti.xcom_pull(task_ids='drift_stays_high', key='parameters') }}",
        # A second try of this task finds the run that the first one made.
        skip_when_already_exists=True,
    )
    remember = PythonOperator(
        task_id="start_cooldown", python_callable=drift.start_cooldown, trigger_rule="none_failed"
    )

    look >> trigger >> remember
