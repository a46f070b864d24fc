"""The initialization action of a cluster's hosts, run by bash and pip beside a server that speaks as
metadata, Object Storage and Lockbox do."""

import http.server
import json
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "spark_jobs" / "prepare_host.sh"
IAM_TOKEN = "t1.iam-5b1d0c7e"
SECRET = 'it\'s "$(secret)" 7c2f'
WHEEL = "fishid-0.1.0-py3-none-any.whl"


def small_wheel(path: Path, name: str) -> bytes:
    info = f"{name}-0.1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path.read_bytes()


class Neighbours(http.server.BaseHTTPRequestHandler):
    """Answers by path and header; refuses what lacks its header."""

    answers: dict = {}

    def do_GET(self):  # noqa: N802
        header, value, body = self.answers.get(self.path, (None, None, b""))
        is_right = header is not None and self.headers.get(header) == value
        self.send_response(200 if is_right else 403)
        self.end_headers()
        self.wfile.write(body if is_right else b"")

    def log_message(self, *_):
        pass


@pytest.fixture
def host(tmp_path):
    """Runs the script as a host does; gives outcome and the folder that stands for /etc."""
    wheel = small_wheel(tmp_path / WHEEL, "fishid")
    links = tmp_path / "index"
    links.mkdir()
    small_wheel(links / "prometheus_client-0.1.0-py3-none-any.whl", "prometheus_client")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "python"], check=True)
    python = tmp_path / "python/bin/python"
    entries = [{"key": "MLFLOW_TRACKING_TOKEN", "textValue": SECRET}]
    answers = {
        "/computeMetadata/v1/instance/service-accounts/default/token": (
            "Metadata-Flavor",
            "Google",
            json.dumps({"access_token": IAM_TOKEN}).encode(),
        ),
        f"/data/code/{WHEEL}": ("X-YaCloud-SubjectToken", IAM_TOKEN, wheel),
        "/lockbox/v1/secrets/e6q/payload": (
            "Authorization",
            f"Bearer {IAM_TOKEN}",
            json.dumps({"entries": entries}).encode(),
        ),
    }
    handler = type("Handler", (Neighbours,), {"answers": answers})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"

    def run(*arguments, **extra):
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "YC_METADATA_ADDR": address,
            "AWS_ENDPOINT_URL": address,
            "LOCKBOX_ADDR": address,
            "FISHID_ETC": str(tmp_path / "etc"),
            "FISHID_HOME": str(tmp_path / "home"),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(links),
        }
        command = [SCRIPT, *(arguments or (f"s3a://data/code/{WHEEL}", python, "e6q"))]
        return subprocess.run(
            command, env=environment | extra, capture_output=True, text=True, timeout=300, check=False
        )

    run.python, run.etc = python, tmp_path / "etc"
    yield run
    server.shutdown()
    server.server_close()


def environment_of_driver(host) -> dict[str, str]:
    """What spark-submit makes of it, which reads spark-env.sh."""
    command = f". {host.etc}/spark/conf/spark-env.sh; exec env -0"
    out = subprocess.check_output(["sh", "-c", command], env={"PATH": os.environ["PATH"]}, text=True)
    return dict(line.split("=", 1) for line in out.split("\0") if line)


def test_a_master_gets_the_wheel_and_the_secret_as_environment_of_its_jobs(host):
    outcome = host(ROLE="masternode")
    assert outcome.returncode == 0, outcome.stderr
    subprocess.run([host.python, "-c", "import fishid, prometheus_client"], check=True)
    environment = environment_of_driver(host)
    assert environment["MLFLOW_TRACKING_TOKEN"] == SECRET
    assert environment["FISHID_HOME"].endswith("home")
    assert environment["AWS_REGION"] == "ru-central1"
    for secret in (SECRET, IAM_TOKEN):
        assert secret not in outcome.stdout + outcome.stderr
    again = host(ROLE="masternode")
    assert again.returncode == 0, again.stderr
    assert (host.etc / "spark/conf/spark-env.sh").read_text().count("job.env") == 1


def test_a_compute_host_gets_the_wheel_and_no_secret(host):
    outcome = host(ROLE="computenode")
    assert outcome.returncode == 0, outcome.stderr
    assert "MLFLOW_TRACKING_TOKEN" not in environment_of_driver(host)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("s3a://data/code/none.whl", None, "e6q"), "needs storage.viewer"),
        ((f"s3a://data/code/{WHEEL}", None, "another"), "needs lockbox.payloadViewer"),
        (
            (f"s3a://data/code/{WHEEL}", "/nowhere/python", ""),
            "set host_python in the variable fish_training",
        ),
    ],
)
def test_what_is_missing_fails_the_cluster_with_the_remedy(host, arguments, words):
    outcome = host(*(host.python if it is None else it for it in arguments))
    assert outcome.returncode != 0
    assert words in outcome.stderr
