"""Yandex Cloud's interface to Data Processing, in small: one gRPC server behind TLS, of the public stubs.

Answers the five services that the provider's operators speak to, keeps every request, and runs a submitted
job as a program of this machine. How it goes wrong stands in `scenario.json`, read anew at each request.
Started as `control_plane.py FOLDER`; writes `endpoint` there when it listens.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict
from google.rpc.status_pb2 import Status
from yandex.cloud.dataproc.v1 import (
    cluster_pb2,
    cluster_service_pb2,
    cluster_service_pb2_grpc,
    job_pb2,
    job_service_pb2,
    job_service_pb2_grpc,
)
from yandex.cloud.endpoint import api_endpoint_pb2, api_endpoint_service_pb2, api_endpoint_service_pb2_grpc
from yandex.cloud.iam.v1 import iam_token_service_pb2, iam_token_service_pb2_grpc
from yandex.cloud.operation import operation_pb2, operation_service_pb2_grpc

ACTIVE = (job_pb2.Job.PENDING, job_pb2.Job.RUNNING, job_pb2.Job.CANCELLING)


@dataclass
class Cluster:
    id: str
    request: object
    made: float
    status: int = cluster_pb2.Cluster.CREATING
    jobs: dict = field(default_factory=dict)
    n_deletions: int = 0

    def message(self):
        fields = {"id": self.id, "name": self.request.name, "folder_id": self.request.folder_id}
        return cluster_pb2.Cluster(status=self.status, labels=self.request.labels, **fields)


@dataclass
class Job:
    id: str
    name: str
    cluster_id: str
    status: int = job_pb2.Job.RUNNING
    process: subprocess.Popen | None = None

    def message(self):
        return job_pb2.Job(id=self.id, name=self.name, cluster_id=self.cluster_id, status=self.status)


class Cloud:
    """What there is: clusters, jobs, operations. Every method is called with the lock held."""

    def __init__(self, folder: Path):
        self.folder, self.lock = folder, threading.RLock()
        self.clusters, self.operations = {}, {}

    def scenario(self, name: str, default):
        return json.loads((self.folder / "scenario.json").read_text()).get(name, default)

    def note(self, method: str, request, context) -> None:
        row = {"method": method, "request": MessageToDict(request, preserving_proto_field_name=True)}
        row["has_token"] = any(key == "authorization" for key, _ in context.invocation_metadata())
        with (self.folder / "requests.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")

    def save(self) -> None:
        """What a test looks at: names of the clusters that there are, with their jobs' states."""
        state = {
            cluster.request.name: [job_pb2.Job.Status.Name(job.status) for job in cluster.jobs.values()]
            for cluster in self.clusters.values()
        }
        (self.folder / "clusters.part").write_text(json.dumps(state))
        (self.folder / "clusters.part").rename(self.folder / "clusters.json")

    def operation(self, metadata, result):
        """`result` gives None while it goes on, then a message or the reason of its failure."""
        operation = operation_pb2.Operation(id=uuid.uuid4().hex)
        operation.created_at.GetCurrentTime()
        operation.metadata.Pack(metadata)
        self.operations[operation.id] = (operation, result)
        return operation

    def look(self, operation_id: str):
        operation, result = self.operations[operation_id]
        if not operation.done and (came := result()) is not None:
            operation.done = True
            if isinstance(came, str):
                operation.error.CopyFrom(Status(code=13, message=came))
            else:
                operation.response.Pack(came)
        return operation

    def create(self, request):
        if any(it.request.name == request.name for it in self.clusters.values()):
            return None
        cluster = Cluster(uuid.uuid4().hex[:20], request, time.monotonic())
        self.clusters[cluster.id] = cluster
        how, seconds = self.scenario("create", "ok"), self.scenario("create_seconds", 0)

        def result():
            if cluster.id not in self.clusters:
                return "the cluster was deleted"
            if how == "hangs" or time.monotonic() < cluster.made + seconds:
                return None
            if how == "fails":
                # Half made, and paid for.
                cluster.status = cluster_pb2.Cluster.ERROR
                return "the initialization action failed"
            cluster.status = cluster_pb2.Cluster.RUNNING
            return cluster.message()

        metadata = cluster_service_pb2.CreateClusterMetadata(cluster_id=cluster.id)
        return self.operation(metadata, result)

    def delete(self, cluster_id: str):
        cluster = self.clusters[cluster_id]
        cluster.n_deletions += 1
        fails = cluster.n_deletions <= self.scenario("deletions_that_fail", 0)

        def result():
            if fails:
                return "the deletion failed"
            cluster = self.clusters.pop(cluster_id, None)
            for job in cluster.jobs.values() if cluster else ():
                end(job)
            return Empty()

        return self.operation(cluster_service_pb2.DeleteClusterMetadata(cluster_id=cluster_id), result)

    def submit(self, request):
        job = Job(uuid.uuid4().hex[:20], request.name, request.cluster_id)
        self.clusters[request.cluster_id].jobs[job.id] = job
        how = self.scenario("job", "ok")
        if how != "hangs":
            job.process = self.start(job, request.pyspark_job)

        def result():
            if job.status == job_pb2.Job.CANCELLED:
                return "the job was cancelled"
            if job.process is None or job.process.poll() is None:
                return None
            good = job.process.returncode == 0
            job.status = job_pb2.Job.DONE if good else job_pb2.Job.ERROR
            # The operation may end well though the job did not.
            if good or how == "fails in silence":
                return job.message()
            return f"the job ended with status {job.process.returncode}"

        return self.operation(
            job_service_pb2.CreateJobMetadata(cluster_id=job.cluster_id, job_id=job.id), result
        )

    def start(self, job: Job, spark) -> subprocess.Popen:
        """The job's program, taken from its place in S3, with the environment of a host."""
        host = self.scenario("host", {})
        script = self.folder / f"{job.id}.py"
        script.write_bytes(read_object(host["endpoint"], host["environment"], spark.main_python_file_uri))
        with (self.folder / f"{job.id}.log").open("w") as log:
            return subprocess.Popen(
                [*host["command"], str(script), *spark.args],
                env=host["environment"],
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def read_object(endpoint: str, environment: dict, uri: str) -> bytes:
    import boto3

    bucket, _, key = uri.removeprefix("s3a://").partition("/")
    keys = {name.lower(): environment[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
    return client.get_object(Bucket=bucket, Key=key)["Body"].read()


def end(job: Job) -> None:
    if job.process and job.process.poll() is None:
        os.killpg(job.process.pid, signal.SIGTERM)
        job.process.wait()
    if job.status in ACTIVE:
        job.status = job_pb2.Job.CANCELLED


class Endpoints(api_endpoint_service_pb2_grpc.ApiEndpointServiceServicer):
    def __init__(self, cloud: Cloud, address: str):
        self.address = address

    def List(self, request, context):  # noqa: N802
        known = [
            api_endpoint_pb2.ApiEndpoint(id=name, address=self.address)
            for name in ("iam", "dataproc", "operation")
        ]
        return api_endpoint_service_pb2.ListApiEndpointsResponse(endpoints=known)


class Tokens(iam_token_service_pb2_grpc.IamTokenServiceServicer):
    def __init__(self, cloud: Cloud):
        self.cloud = cloud

    def Create(self, request, context):  # noqa: N802
        return iam_token_service_pb2.CreateIamTokenResponse(iam_token=f"t1.{uuid.uuid4().hex}")


class Operations(operation_service_pb2_grpc.OperationServiceServicer):
    def __init__(self, cloud: Cloud):
        self.cloud = cloud

    def Get(self, request, context):  # noqa: N802
        with self.cloud.lock:
            operation = self.cloud.look(request.operation_id)
            self.cloud.save()
            return operation


class Clusters(cluster_service_pb2_grpc.ClusterServiceServicer):
    def __init__(self, cloud: Cloud):
        self.cloud = cloud

    def List(self, request, context):  # noqa: N802
        with self.cloud.lock:
            self.cloud.note("ClusterService.List", request, context)
            wanted = request.filter.removeprefix('name="').removesuffix('"')
            here = [it for it in self.cloud.clusters.values() if it.request.folder_id == request.folder_id]
            found = [it.message() for it in here if wanted in ("", it.request.name)]
            return cluster_service_pb2.ListClustersResponse(clusters=found)

    def Create(self, request, context):  # noqa: N802
        with self.cloud.lock:
            self.cloud.note("ClusterService.Create", request, context)
            operation = self.cloud.create(request)
            self.cloud.save()
        if operation is None:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, f"there is a cluster {request.name}")
        return operation

    def Delete(self, request, context):  # noqa: N802
        with self.cloud.lock:
            self.cloud.note("ClusterService.Delete", request, context)
            cluster = self.cloud.clusters.get(request.cluster_id)
            busy = self.cloud.scenario("refuses_deletion_seconds", 0)
            is_busy = cluster and time.monotonic() < cluster.made + busy
            operation = cluster and not is_busy and self.cloud.delete(cluster.id)
        if not cluster:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no cluster {request.cluster_id}")
        if is_busy:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the cluster is being created")
        return operation


class Jobs(job_service_pb2_grpc.JobServiceServicer):
    def __init__(self, cloud: Cloud):
        self.cloud = cloud

    def List(self, request, context):  # noqa: N802
        with self.cloud.lock:
            cluster = self.cloud.clusters.get(request.cluster_id)
            jobs = [job.message() for job in cluster.jobs.values()] if cluster else []
            return job_service_pb2.ListJobsResponse(jobs=jobs)

    def Create(self, request, context):  # noqa: N802
        with self.cloud.lock:
            self.cloud.note("JobService.Create", request, context)
            operation = self.cloud.submit(request)
            self.cloud.save()
            return operation

    def Cancel(self, request, context):  # noqa: N802
        with self.cloud.lock:
            self.cloud.note("JobService.Cancel", request, context)
            job = self.cloud.clusters[request.cluster_id].jobs[request.job_id]
            end(job)
            self.cloud.save()
            metadata = job_service_pb2.CreateJobMetadata(cluster_id=request.cluster_id, job_id=job.id)
            return self.cloud.operation(metadata, job.message)


def main() -> None:
    folder = Path(sys.argv[1])
    cloud = Cloud(folder)
    server = grpc.server(futures.ThreadPoolExecutor(16))
    key, certificate = (folder / "key.pem").read_bytes(), (folder / "certificate.pem").read_bytes()
    port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([(key, certificate)]))
    api_endpoint_service_pb2_grpc.add_ApiEndpointServiceServicer_to_server(
        Endpoints(cloud, f"localhost:{port}"), server
    )
    iam_token_service_pb2_grpc.add_IamTokenServiceServicer_to_server(Tokens(cloud), server)
    operation_service_pb2_grpc.add_OperationServiceServicer_to_server(Operations(cloud), server)
    cluster_service_pb2_grpc.add_ClusterServiceServicer_to_server(Clusters(cloud), server)
    job_service_pb2_grpc.add_JobServiceServicer_to_server(Jobs(cloud), server)
    server.start()
    (folder / "endpoint.part").write_text(f"localhost:{port}")
    (folder / "endpoint.part").rename(folder / "endpoint")
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    stopping.wait()
    with cloud.lock:
        for cluster in cloud.clusters.values():
            for job in cluster.jobs.values():
                end(job)
    server.stop(1)


if __name__ == "__main__":
    main()
