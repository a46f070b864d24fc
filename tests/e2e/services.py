"""The real services around `fishid`, and the clients that watch it while they come and go.

Started by the code behind `make up` (package stack/), on free ports, with data in temporary folders.
"""

import contextlib
import datetime
import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from conftest import BINARY, SMALL_BACKBONE, TEST_DATA, Fishid

from stack import LocalStack, MissingPrerequisiteError, Settings

SERVICES = ("postgres", "s3", "mlflow", "redis", "fishid")
# Given to every command as a person would give it to an MLflow that wants one; it may appear nowhere.
TOKEN = "token-3f1c9a7be5d84c66"


def stack_python() -> str:
    python = os.environ.get("FISHID_STACK_PYTHON")
    if not python:
        pytest.skip("FISHID_STACK_PYTHON is not set: `make test` sets it to a Python with MLflow")
    return python


class Services:
    """The stack, and a person's machine that trains and promotes with it."""

    def __init__(self, folder: Path):
        self.python = stack_python()
        self.fishid = Person(folder / "person")
        library = self.fishid.environment()["ORT_DYLIB_PATH"]
        settings = Settings(
            ports=dict.fromkeys(SERVICES, 0),
            python=self.python,
            binary=str(BINARY),
            environment={"ORT_DYLIB_PATH": library},
        )
        self.stack = LocalStack(folder / "server", settings)
        try:
            self.stack.up(print)
        except BaseException as error:
            self.stack.down(delete_data=True)
            if isinstance(error, MissingPrerequisiteError):
                pytest.skip(str(error))
            raise
        self.fishid.extra = self.stack.services["s3"].settings() | {"MLFLOW_TRACKING_TOKEN": TOKEN}
        self.registry = self.stack.registry
        self.mlflow = self.stack.services["mlflow"].address
        self.url = self.stack.services["fishid"].address
        self.real = bool(TEST_DATA)

    def folder(self, drawn: Path) -> Path:
        """The photographs of the first model: the real ones, where they are."""
        return Path(TEST_DATA, "fishcam") if self.real else drawn

    def pipeline(self, data: str, *arguments) -> dict:
        backbone = Path(TEST_DATA, "backbones/mobilenet_v2_imagenet.onnx") if self.real else SMALL_BACKBONE
        command = ["pipeline", "run", "--data", data, "--registry", self.registry, "--backbone", backbone]
        return self.fishid.ok(*command, "--json", *arguments).json()

    def registry_command(self, what: str, *arguments):
        return self.fishid.ok("registry", what, *arguments, "--registry", self.registry, "--json").json()

    @contextlib.contextmanager
    def without(self, name: str):
        """While one of the services is stopped."""
        self.stack.stop(name)
        try:
            yield
        finally:
            self.stack.start(name)

    @contextlib.contextmanager
    def frozen(self, name: str):
        """While one of the services accepts connections and says nothing."""
        group = self.stack.record(name)["pid"]
        os.killpg(group, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(group, signal.SIGCONT)

    def promote(self, version: str, why: str = "test") -> None:
        # Drawn fish are a demonstration, which a shared registry does not promote by itself.
        force = [] if self.real else ["--force"]
        self.registry_command("promote", version, "--why", why, *force)

    def log(self, name: str) -> str:
        return self.stack.services[name].log.read_text(errors="replace")

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=10)


class Person(Fishid):
    """The command line with the S3 keys and MLflow's token in its environment; all its words are kept."""

    def __init__(self, home: Path):
        super().__init__(home)
        self.extra = {}
        self.said = []

    def environment(self, **extra):
        return super().environment(**(self.extra | extra))

    def __call__(self, *arguments, **options):
        outcome = super().__call__(*arguments, **options)
        self.said.append(outcome.out + outcome.err)
        return outcome


@dataclass
class FirstRun:
    data: str
    photos: list[bytes]
    version: str
    # What the server said before: path → status.
    before: dict[str, int]
    result: dict
    seconds_of_run: float
    # From the move of the alias, as the registry's history has it, to the first answer.
    seconds_to_server: float


def first_run(services: "Services", small_fish: Path) -> FirstRun:
    folder = services.folder(small_fish)
    files = sorted(folder.glob("*/*.png")) or sorted(folder.glob("*/*.jpg"))
    photos = [file.read_bytes() for file in files[:: max(1, len(files) // 40)]]
    before = {path: services.get(path).status_code for path in ("/health", "/ready", "/model")}
    data = "s3://data/photographs"
    services.fishid.ok("data", "upload", folder, data)
    with Watch(services.url) as watch:
        started = time.monotonic()
        result = services.pipeline(data)
        if not result["promoted"]:
            assert not services.real, result
            services.promote(result["version"])
        seconds_of_run = time.monotonic() - started
        wait_until(lambda: result["version"] in watch.first_seen, 60, "the server to answer with the version")
    moved = [event for event in services.registry_command("history") if event["alias"] == "production"][-1]
    at = datetime.datetime.fromisoformat(moved["time"])
    seconds = (watch.first_seen[result["version"]] - at).total_seconds()
    return FirstRun(data, photos, result["version"], before, result, seconds_of_run, seconds)


class Watch:
    """Looks all the time which version answers; remembers when each was first seen."""

    def __init__(self, url: str):
        self.url = url
        self.first_seen = {}
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.go_on, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join(60)

    def saw(self, version: str) -> None:
        self.first_seen.setdefault(version, datetime.datetime.now(datetime.UTC))

    def go_on(self):
        while not self.stopping.wait(0.05):
            reply = requests.get(f"{self.url}/ready", timeout=30)
            if reply.status_code == 200:
                self.saw(reply.json()["model_version"])


class Traffic(Watch):
    """Goes on asking for predictions and whether the server is ready; remembers what was not 200.

    Every photograph is made a new one, so that no answer comes out of the cache.
    """

    def __init__(self, url: str, photos: list[bytes]):
        super().__init__(url)
        self.photos = photos
        self.failures = []
        self.n_predictions = 0

    def go_on(self):
        session = requests.Session()
        while not self.stopping.is_set():
            photo = self.photos[self.n_predictions % len(self.photos)] + os.urandom(8)
            try:
                answer = session.post(f"{self.url}/predict", files={"file": ("a.png", photo)}, timeout=30)
                ready = session.get(f"{self.url}/ready", timeout=30)
            except requests.RequestException as error:
                self.failures.append(repr(error))
                continue
            self.n_predictions += 1
            for reply in (answer, ready):
                if reply.status_code != 200:
                    self.failures.append(f"{reply.url}: {reply.status_code} {reply.text[:200]}")
            if answer.status_code == 200:
                self.saw(answer.json()["model_version"])
            self.stopping.wait(0.02)

    def wait_for_predictions(self, n: int, seconds: float = 60):
        wait_until(lambda: self.n_predictions >= n, seconds, f"{n} predictions")


def wait_until(condition, seconds: float, what: str):
    """Seconds until the condition held."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"waited {seconds} s for {what}"
        time.sleep(0.05)
    return time.monotonic() - started


def metric(text: str, name: str) -> float:
    """The sum of a metric's samples."""
    samples = [line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    return sum(float(line.split()[-1]) for line in samples)


def command_lines() -> str:
    """The arguments of every process on this machine."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(lines)
