"""The three tasks on Yandex Data Processing: the provider's operators, told at run time what to do.

Deleting goes by the cluster's name, which is made of the run's id: a creation that failed half way leaves a
cluster and no XCom. Knows nothing of what the job does.
"""

from __future__ import annotations

import time
from datetime import timedelta

from airflow.providers.yandex.hooks.dataproc import DataprocHook
from airflow.providers.yandex.operators.dataproc import (
    DataprocCreateClusterOperator,
    DataprocCreatePysparkJobOperator,
    InitializationAction,
)

from fish_airflow.plan import below, job_arguments, name_of, plan_of
from fish_airflow.settings import TrainingSettings, training_settings

# HDFS is left out, and with it hosts that only keep data: photographs and embeddings lie in S3.
SERVICES = ("YARN", "SPARK")
PREPARE_SECONDS = 1800
# Waits of our own: the operators' are bounded by `execution_timeout`, what runs before and after them is not.
LOOK_EVERY_S = 10.0
CANCEL_WITHIN_S = 600.0
DELETE_WITHIN_S = 2400.0


class CreateCluster(DataprocCreateClusterOperator):
    """A master and a compute subcluster that grows to one host an executor and shrinks again."""

    def __init__(self, **kwargs):
        # What is not here is set by `pre_execute`.
        super().__init__(services=SERVICES, datanode_count=0, computenode_count=1, **kwargs)

    def pre_execute(self, context):
        super().pre_execute(context)
        settings, plan = training_settings(context), plan_of(context)
        self.yandex_conn_id = settings.yandex_connection
        # What an attempt before this one left; its name would be refused.
        delete_clusters(settings, plan["name"], self.log)
        for name, value in cluster_of(settings, plan).items():
            setattr(self, name, value)


def cluster_of(settings: TrainingSettings, plan: dict) -> dict:
    """Attributes of the operator that creates the cluster."""
    wheel, prepare = below(settings.code, settings.wheel), below(settings.code, "prepare_host.sh")
    arguments = [wheel, settings.host_python, settings.lockbox_secret_id]
    return {
        "folder_id": settings.folder_id,
        "cluster_name": plan["name"],
        "cluster_description": f"fishid: {plan['run_id']}",
        "cluster_image_version": settings.image_version,
        "ssh_public_keys": [settings.ssh_public_key] if settings.ssh_public_key else None,
        "oslogin_enabled": not settings.ssh_public_key,
        "subnet_id": settings.subnet_id,
        "zone": settings.zone,
        "security_group_ids": settings.security_group_ids,
        "service_account_id": settings.service_account_id,
        "s3_bucket": settings.bucket,
        "log_group_id": settings.log_group_id or None,
        "masternode_resource_preset": settings.master_preset,
        "masternode_disk_size": settings.master_disk_gb,
        "masternode_disk_type": settings.disk_type,
        "computenode_resource_preset": settings.compute_preset,
        "computenode_disk_size": settings.compute_disk_gb,
        "computenode_disk_type": settings.disk_type,
        "computenode_max_hosts_count": plan["executors"],
        # Whole numbers are refused here by the client library.
        "computenode_measurement_duration": timedelta(seconds=60),
        "computenode_warmup_duration": timedelta(seconds=60),
        "computenode_stabilization_duration": timedelta(seconds=120),
        "computenode_decommission_timeout": 60,
        "properties": {"dataproc:spark_executors_per_vm": "1"},
        "initialization_actions": [
            InitializationAction(uri=prepare, args=arguments, timeout=PREPARE_SECONDS)
        ],
        "labels": {"app": "fishid", "run": plan["name"]},
    }


class TrainOnCluster(DataprocCreatePysparkJobOperator):
    """The Spark job. Cancelled when the task is killed; one that a killed task left is cancelled first."""

    def pre_execute(self, context):
        super().pre_execute(context)
        settings, plan = training_settings(context), plan_of(context)
        self.yandex_conn_id = settings.yandex_connection
        self.cluster_id = context["ti"].xcom_pull(task_ids=self.upstream_cluster)
        cancel_jobs(DataprocHook(yandex_conn_id=self.yandex_conn_id), self.cluster_id, self.log)
        self.name = f"{plan['name'][:50]}-{context['ti'].try_number}"
        self.main_python_file_uri = below(settings.code, "train_fish_model.py")
        self.args = job_arguments(plan)
        self.properties = {
            # The driver runs on the master, where the environment has what Lockbox gave.
            "spark.submit.deployMode": "client",
            "spark.yarn.maxAppAttempts": "1",
            "spark.pyspark.python": settings.host_python,
            "spark.pyspark.driver.python": settings.host_python,
            "spark.executor.cores": str(settings.executor_cores),
            "spark.executor.memory": settings.executor_memory,
            "spark.executor.memoryOverhead": settings.executor_memory_overhead,
        }

    def __init__(self, *, upstream_cluster: str, **kwargs):
        super().__init__(**kwargs)
        # The task whose XCom is the cluster's id.
        self.upstream_cluster = upstream_cluster

    def post_execute(self, context, result=None):
        """The operator believes the operation; a job that ended with an error is one without it too."""
        super().post_execute(context, result)
        jobs = jobs_of(DataprocHook(yandex_conn_id=self.yandex_conn_id), self.cluster_id)
        ours = [job for job in jobs if job.name == self.name]
        if [state_of(job) for job in ours] != ["DONE"]:
            states = ", ".join(f"{job.id} {state_of(job)}" for job in ours) or "not there"
            raise RuntimeError(
                f"the Spark job {self.name} did not end well: {states}; see its output in the bucket"
            )

    def on_kill(self):
        if self.cluster_id:
            cancel_jobs(DataprocHook(yandex_conn_id=self.yandex_conn_id), self.cluster_id, self.log)


def delete_cluster(**context) -> None:
    """Deletes whatever bears the run's name, so that a creation that failed half way is cleaned up too."""
    import logging

    delete_clusters(training_settings(context), name_of(context), logging.getLogger("airflow.task"))


def delete_clusters(settings: TrainingSettings, name: str, log) -> None:
    """Until none is left; raises when one is after DELETE_WITHIN_S."""
    import grpc
    from yandex.cloud.dataproc.v1.cluster_service_pb2 import DeleteClusterMetadata, DeleteClusterRequest
    from yandex.cloud.dataproc.v1.cluster_service_pb2_grpc import ClusterServiceStub

    hook = DataprocHook(yandex_conn_id=settings.yandex_connection)
    deadline = time.monotonic() + DELETE_WITHIN_S
    problem = "it is still there"
    while found := clusters_named(hook, settings.folder_id, name):
        if time.monotonic() > deadline:
            raise RuntimeError(
                f"the cluster {name} ({found[0].id}) is not deleted and costs money: {problem}. "
                f"Delete it by hand: yc dataproc cluster delete {found[0].id}"
            )
        for cluster in found:
            log.info("deleting the cluster %s (%s)", name, cluster.id)
            try:
                hook.sdk.create_operation_and_get_result(
                    DeleteClusterRequest(cluster_id=cluster.id),
                    service=ClusterServiceStub,
                    method_name="Delete",
                    meta_type=DeleteClusterMetadata,
                    timeout=max(1.0, deadline - time.monotonic()),
                )
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.NOT_FOUND:
                    continue
                # A cluster that is being created, or deleted already, refuses for now.
                if error.code() not in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.UNAVAILABLE):
                    raise
                problem = error.details()
                log.info("not yet: %s", problem)
                time.sleep(LOOK_EVERY_S)
    log.info("there is no cluster %s", name)


def clusters_named(hook: DataprocHook, folder_id: str, name: str) -> list:
    from yandex.cloud.dataproc.v1.cluster_service_pb2 import ListClustersRequest
    from yandex.cloud.dataproc.v1.cluster_service_pb2_grpc import ClusterServiceStub

    request = ListClustersRequest(folder_id=folder_id, filter=f'name="{name}"')
    found = hook.sdk.client(ClusterServiceStub).List(request).clusters
    # Whatever the filter does, nobody else's is deleted.
    return [cluster for cluster in found if cluster.name == name]


def cancel_jobs(hook: DataprocHook, cluster_id: str, log) -> None:
    from yandex.cloud.dataproc.v1.job_service_pb2 import CancelJobRequest
    from yandex.cloud.dataproc.v1.job_service_pb2_grpc import JobServiceStub

    deadline = time.monotonic() + CANCEL_WITHIN_S
    while active := [
        job for job in jobs_of(hook, cluster_id) if state_of(job) not in ("DONE", "ERROR", "CANCELLED")
    ]:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the job {active[0].id} of cluster {cluster_id} cannot be cancelled")
        for job in active:
            if state_of(job) != "CANCELLING":
                log.info("cancelling the job %s (%s)", job.name, job.id)
                hook.sdk.client(JobServiceStub).Cancel(CancelJobRequest(cluster_id=cluster_id, job_id=job.id))
        time.sleep(min(1.0, LOOK_EVERY_S))


def jobs_of(hook: DataprocHook, cluster_id: str) -> list:
    from yandex.cloud.dataproc.v1.job_service_pb2 import ListJobsRequest
    from yandex.cloud.dataproc.v1.job_service_pb2_grpc import JobServiceStub

    return list(hook.sdk.client(JobServiceStub).List(ListJobsRequest(cluster_id=cluster_id)).jobs)


def state_of(job) -> str:
    from yandex.cloud.dataproc.v1.job_pb2 import Job

    return Job.Status.Name(job.status)
