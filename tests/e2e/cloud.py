"""The control plane of tests/airflow as a process, and what a DAG needs to take it for the cloud."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

from airflow_lab import ROOT
from conftest import BINARY
from services import TOKEN

FOLDER_ID = "b1gfolder00000000000"
ACCOUNT = "ajeaccount0000000000"
SUBNET = "e9bsubnet00000000000"
CODE = "s3a://data/airflow/code"
WORK = "s3://data/airflow/work"
PHOTOGRAPHS = "s3://data/airflow/photographs"
WHEEL = "fishid-0.1.0-cp38-abi3-manylinux_2_34_x86_64.whl"


def openssl(*arguments) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Cloud:
    """The process, its scenario, and what it was asked for."""

    def __init__(self, folder: Path, python: Path, host: dict):
        self.folder, self.host = folder, host
        folder.mkdir()
        self.certificate = folder / "certificate.pem"
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        files = ["-keyout", folder / "key.pem", "-out", self.certificate, "-days", 2]
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", *names, *files)
        openssl(
            "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", folder / "account.pem"
        )
        self.private_key = (folder / "account.pem").read_text()
        self.set()
        self.log = folder / "control-plane.log"
        environment = {"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true"}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [python, ROOT / "tests/airflow/control_plane.py", folder],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until = time.monotonic() + 120
        while not (folder / "endpoint").exists():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.05)
        self.endpoint = (folder / "endpoint").read_text()

    def set(self, **scenario) -> None:
        """How things go from here on; requests of before are forgotten."""
        (self.folder / "requests.jsonl").write_text("")
        part = self.folder / "scenario.part"
        part.write_text(json.dumps({"host": self.host} | scenario))
        part.rename(self.folder / "scenario.json")

    def requests(self, method: str = "") -> list[dict]:
        rows = map(json.loads, (self.folder / "requests.jsonl").read_text().splitlines())
        return [row for row in rows if row["method"].endswith(method)]

    @property
    def clusters(self) -> dict[str, list[str]]:
        """Name of each cluster that there is, with its jobs' states."""
        file = self.folder / "clusters.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def job_logs(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in self.folder.glob("*.log"))

    def connection(self) -> str:
        key = {"id": "ajekey00000000000000", "service_account_id": ACCOUNT, "private_key": self.private_key}
        extra = {"service_account_json": json.dumps(key), "folder_id": FOLDER_ID, "endpoint": self.endpoint}
        return json.dumps({"conn_type": "yandexcloud", "extra": extra})

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(60)


def host_environment(services, home: Path) -> dict[str, str]:
    """What a cluster's host gives a job: secrets out of Lockbox, keys in the place of its service account."""
    library = services.fishid.environment()["ORT_DYLIB_PATH"]
    settings = {"PATH": os.environ["PATH"], "PROGRAM": str(BINARY), "FISHID_HOME": str(home)}
    settings |= {"ORT_DYLIB_PATH": library, "MLFLOW_TRACKING_TOKEN": TOKEN, "HF_HUB_OFFLINE": "1"}
    return settings | services.stack.services["s3"].settings()


def storage_connection(services) -> str:
    settings = services.stack.services["s3"].settings()
    extra = {"endpoint_url": settings["AWS_ENDPOINT_URL"], "region_name": settings["AWS_REGION"]}
    login, password = settings["AWS_ACCESS_KEY_ID"], settings["AWS_SECRET_ACCESS_KEY"]
    return json.dumps({"conn_type": "aws", "login": login, "password": password, "extra": extra})


def mlflow_connection(services) -> str:
    parts = urlsplit(services.mlflow)
    named = {"conn_type": "http", "schema": "http", "host": parts.hostname, "port": parts.port}
    return json.dumps(named | {"password": TOKEN})


def settings(**more) -> dict:
    """The variable `fish_training` of the profile `yandex`."""
    return {
        "folder_id": FOLDER_ID,
        "subnet_id": SUBNET,
        "service_account_id": ACCOUNT,
        "bucket": "data",
        "code": CODE,
        "wheel": WHEEL,
        "lockbox_secret_id": "e6qlockbox0000000000",
        "security_group_ids": ["enpgroup000000000000"],
        "data": PHOTOGRAPHS,
        "work": WORK,
        "model": "airflow-fish",
    } | more


def bring_code(services, folder: Path, job: Path) -> None:
    """What `make setup-airflow` brings to the bucket; `job` in the place of the Spark job."""
    folder.mkdir()
    shutil.copy(job, folder / "train_fish_model.py")
    (folder / "prepare_host.sh").write_text("#!/bin/sh\n")
    (folder / WHEEL).write_bytes(b"PK")
    services.fishid.ok("data", "upload", folder, CODE.replace("s3a:", "s3:"))
