"""The binary as users run it: commands, a server as a process of its own, folders that vanish after."""

import json
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from mlflow_server import mlflow_server

BINARY = Path(os.environ.get("FISHID_BIN", "fishid"))
TEST_DATA = os.environ.get("FISHID_TEST_DATA")
SMALL_BACKBONE = Path(__file__).parents[1] / "fixtures" / "small_backbone.onnx"


@dataclass
class Outcome:
    status: int
    out: str
    err: str

    def json(self):
        return json.loads(self.out)

    def json_lines(self):
        return [json.loads(line) for line in self.out.splitlines()]


class Fishid:
    """Runs the binary with a FISHID_HOME of its own; the ONNX Runtime library is the one of the set-up.

    Without `backbone` the settings name none, as for a person who has just installed the program.
    No test asks the public hub.
    """

    def __init__(self, home: Path, backbone: Path | None = SMALL_BACKBONE):
        self.home = home
        self.backbone = backbone
        self.cwd = home
        home.mkdir(parents=True, exist_ok=True)

    def environment(self, **extra):
        # A person's own settings are no part of a test.
        foreign = ("FISHID_", "MLFLOW_", "REDIS_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        library = os.environ.get("FISHID_HOME", str(Path.home() / ".local/share/fishid"))
        found = sorted(Path(library, "onnxruntime").glob("*/libonnxruntime.so*"))
        assert found, f"no ONNX Runtime under {library}: run make setup"
        kept |= {"FISHID_HOME": str(self.home), "ORT_DYLIB_PATH": str(found[-1]), "HF_HUB_OFFLINE": "1"}
        if self.backbone:
            kept["FISHID_TRAIN__BACKBONE"] = str(self.backbone)
        return kept | extra

    def start(self, *arguments, env=None, **options):
        return subprocess.Popen(
            [BINARY, *map(str, arguments)],
            env=self.environment(**(env or {})),
            cwd=self.cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def __call__(self, *arguments, env=None, timeout=600, before=None) -> Outcome:
        """`before` runs in the new process, before the program."""
        process = self.start(*arguments, env=env, preexec_fn=before)
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
        return Outcome(process.returncode, out, err)

    def ok(self, *arguments, **options) -> Outcome:
        outcome = self(*arguments, **options)
        assert outcome.status == 0, f"{arguments}: {outcome.status}\n{outcome.out}\n{outcome.err}"
        return outcome


class Server:
    """A running `fishid serve` or `fishid up`."""

    def __init__(self, fishid: Fishid, *arguments, env=None):
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self.log = (fishid.home / f"server-{self.address.rpartition(':')[2]}.log").open("w+")
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [BINARY, *map(str, arguments), "--listen", self.address],
            env=fishid.environment(**(env or {})),
            cwd=fishid.cwd,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def output(self):
        return Path(self.log.name).read_text()

    def wait_ready(self, seconds=300):
        """Seconds from the start of the process to the first 200 of /ready."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert self.process.poll() is None, f"the server ended: {self.output()}"
            try:
                if requests.get(f"{self.url}/ready", timeout=2).status_code == 200:
                    return time.monotonic() - self.started
            except requests.ConnectionError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"not ready after {seconds} s: {self.output()}")

    def predict(self, photo: bytes, name="photo.jpg", **query):
        return requests.post(f"{self.url}/predict", params=query, files={"file": (name, photo)}, timeout=60)

    def stop(self, with_signal=signal.SIGTERM, seconds=60):
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        self.log.close()
        return self.process.returncode


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def fishid(tmp_path):
    return Fishid(tmp_path / "home")


@pytest.fixture
def serve():
    """Starts servers and ends them after the test."""
    servers = []

    def start(fishid, *arguments, **options):
        servers.append(Server(fishid, *arguments, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def small_fish(tmp_path_factory):
    """Four species, twelve photographs each, in class folders."""
    folder = tmp_path_factory.mktemp("small") / "fish"
    Fishid(folder.parent / "home").ok("data", "synth", folder, "--species", 4, "--per-class", 12, "--seed", 5)
    return folder


@pytest.fixture(scope="session")
def small_bundle(small_fish):
    """A demonstration bundle trained on `small_fish`; and what `train --json` printed."""
    home = small_fish.parent / "home"
    bundle = small_fish.parent / "bundle"
    outcome = Fishid(home).ok("train", "--data", small_fish, "--out", bundle, "--json")
    return bundle, outcome.json()


@pytest.fixture(scope="session")
def demonstration_home(tmp_path_factory):
    """A FISHID_HOME in which `fishid up` without data has trained its demonstration model."""
    home = tmp_path_factory.mktemp("demonstration") / "home"
    server = Server(Fishid(home, backbone=None), "up")
    try:
        # "Within 3 minutes of a finished build" is promised for a machine without network.
        seconds = server.wait_ready(180)
        print(f"first `fishid up`: ready after {seconds:.1f} s")
    finally:
        server.stop()
    return home


@pytest.fixture(scope="session")
def real_data():
    """The folder with the real photographs and the pretrained backbone."""
    if not TEST_DATA:
        pytest.skip("FISHID_TEST_DATA is not set: no real photographs here")
    return Path(TEST_DATA)


@pytest.fixture(scope="session")
def services(tmp_path_factory):
    """PostgreSQL, S3, MLflow and a server that follows it, running; started once."""
    from services import Services

    started = time.monotonic()
    running = Services(tmp_path_factory.mktemp("services"))
    print(f"PostgreSQL, S3, MLflow and fishid serve: running after {time.monotonic() - started:.1f} s")
    yield running
    running.stack.down(delete_data=True)


@pytest.fixture(scope="session")
def first_model(services, small_fish):
    """The first run: from photographs in S3 to answers, with nobody's help."""
    from services import first_run

    return first_run(services, small_fish)


@pytest.fixture(scope="session")
def second_model(services, first_model):
    """Another version, not in production."""
    version = services.pipeline(first_model.data, "--seed", 9)["version"]
    services.promote(first_model.version)
    return version


@pytest.fixture(scope="session")
def airflow(tmp_path_factory):
    """Airflow 2.10 as a process that stays; skips where there is none."""
    from airflow_lab import Airflow, airflow_python

    running = Airflow(airflow_python(), tmp_path_factory.mktemp("airflow"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory):
    """A server's address; its records lie in SQLite."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as url:
        yield url
