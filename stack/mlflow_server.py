"""MLflow's server: runs and versions in PostgreSQL, artifacts in S3 behind its own proxy."""

import shutil
import subprocess
from pathlib import Path

from stack.postgres import DATABASE, ROLE, Postgres
from stack.process import MissingPrerequisiteError
from stack.s3 import ARTIFACTS_BUCKET, S3
from stack.service import Service, gets


class MlflowServer(Service):
    name = "mlflow"
    title = "MLflow"
    default_port = 5000
    # The first start writes the schema.
    start_seconds = 240

    def __init__(self, folder: Path, host: str, port: int, python: str, postgres: Postgres, s3: S3):
        super().__init__(folder, host, port)
        self.python = python
        self.postgres = postgres
        self.s3 = s3

    def check(self) -> None:
        find = [self.python, "-c", "import sys, importlib.util as i; sys.exit(i.find_spec('mlflow') is None)"]
        if not shutil.which(self.python) or subprocess.run(find, check=False).returncode != 0:
            raise MissingPrerequisiteError(
                f"{self.python} has no MLflow: run scripts/setup.sh stack, and name that Python "
                "with FISHID_STACK_PYTHON or --python"
            )

    def command(self) -> list[str]:
        listen = ["--host", self.host, "--port", str(self.port), "--workers", "1"]
        artifacts = ["--artifacts-destination", f"s3://{ARTIFACTS_BUCKET}"]
        return [self.python, "-m", "mlflow", "server", *listen, *artifacts]

    def environment(self) -> dict[str, str]:
        """The password stands in none of it: psycopg2 takes it from the file."""
        database = f"{ROLE}@{self.postgres.host}:{self.postgres.port}/{DATABASE}"
        return self.s3.client_environment() | {
            "MLFLOW_BACKEND_STORE_URI": f"postgresql+psycopg2://{database}",
            "PGPASSFILE": str(self.postgres.password_file),
            "MLFLOW_S3_ENDPOINT_URL": self.s3.address,
            # Its job queue is for features that fishid does not use.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
        }

    def answers(self) -> bool:
        return gets(f"{self.address}/health") == 200
