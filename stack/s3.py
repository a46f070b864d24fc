"""An S3 server over a folder (versitygw), with random keys and the two buckets that are used here."""

import os
import secrets
import shutil
import subprocess
from pathlib import Path

from stack.process import MissingPrerequisiteError, StackError
from stack.service import Service, fishid_cache, gets, inherited_environment, write_private

ARTIFACTS_BUCKET = "mlflow"
DATA_BUCKET = "data"
REGION = "us-east-1"
HEALTH = "/.health"

CREATE_BUCKETS = """
import sys, boto3
s3 = boto3.client("s3")
there = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
for name in sys.argv[1:]:
    if name not in there:
        s3.create_bucket(Bucket=name)
"""


class S3(Service):
    name = "s3"
    title = "S3"
    default_port = 7070
    start_seconds = 30

    def __init__(self, folder: Path, host: str, port: int, python: str):
        super().__init__(folder, host, port)
        self.python = python
        self.keys_file = folder / "s3.env"
        self.objects = folder / "s3"

    def check(self) -> None:
        self.program()

    def prepare(self) -> None:
        for kind in ("buckets", "metadata"):
            (self.objects / kind).mkdir(parents=True, exist_ok=True)
        keys = self.keys() if self.keys_file.exists() else new_keys()
        # The address is written again each time: the port may have been changed.
        settings = keys | {"AWS_ENDPOINT_URL": self.address, "AWS_REGION": REGION}
        settings |= {"AWS_DEFAULT_REGION": REGION, "AWS_ALLOW_HTTP": "true"}
        write_private(self.keys_file, "".join(f"{name}={value}\n" for name, value in settings.items()))

    def keys(self) -> dict[str, str]:
        settings = self.settings()
        return {name: settings[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}

    def settings(self) -> dict[str, str]:
        """What a client's environment needs to use this server."""
        return dict(line.split("=", 1) for line in self.keys_file.read_text().splitlines())

    def client_environment(self) -> dict[str, str]:
        """Without the person's own AWS files."""
        nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        return inherited_environment() | nowhere | self.settings() | {"AWS_EC2_METADATA_DISABLED": "true"}

    def command(self) -> list[str]:
        listen = ["--port", f"{self.host}:{self.port}", "--region", REGION, "--health", HEALTH]
        behave = ["--quiet", "--keep-alive"]
        # Metadata in files of their own: not every file system has extended attributes.
        where = ["posix", "--sidecar", str(self.objects / "metadata"), str(self.objects / "buckets")]
        return [self.program(), *listen, *behave, *where]

    def environment(self) -> dict[str, str]:
        keys = self.keys()
        root = {
            "ROOT_ACCESS_KEY": keys["AWS_ACCESS_KEY_ID"],
            "ROOT_SECRET_KEY": keys["AWS_SECRET_ACCESS_KEY"],
        }
        return inherited_environment() | root

    def answers(self) -> bool:
        return gets(self.address + HEALTH) == 200

    def finish(self) -> None:
        buckets = [ARTIFACTS_BUCKET, DATA_BUCKET]
        if all((self.objects / "buckets" / name).is_dir() for name in buckets):
            return
        done = subprocess.run(
            [self.python, "-c", CREATE_BUCKETS, *buckets],
            env=self.client_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(f"the buckets could not be made: {done.stderr.strip().splitlines()[-1]}")

    def program(self) -> str:
        built = fishid_cache() / "tools" / "bin" / "versitygw"
        named = os.environ.get("FISHID_S3_SERVER") or str(built)
        found = shutil.which(named) or shutil.which("versitygw")
        if not found:
            raise MissingPrerequisiteError("the S3 server `versitygw` is missing: run scripts/setup.sh stack")
        return found


def new_keys() -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": secrets.token_hex(10),
        "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
    }
