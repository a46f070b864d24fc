"""The servers that are compared: how each is started, when it is ready, what it takes of the machine."""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

BENCH = Path(__file__).parent
PEERS = BENCH / "peers"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# Handed to no server: an older BLAS is told by it to leave out what this processor has.
FOREIGN = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OMP_NUM_THREADS")


@dataclass
class Plan:
    """One server: its name in tables, and how it is run."""

    name: str
    title: str
    settings: str
    is_exact: bool = True
    caches: bool = False
    searches: bool = True
    environment: dict = field(default_factory=dict)
    arguments: tuple = ()

    @property
    def is_fishid(self) -> bool:
        return self.name.partition("-")[0] == "fishid"

    @property
    def folder(self) -> Path:
        """Where its program and its requirements are; two plans may share them."""
        return PEERS / self.name.partition("-")[0]


# Uvicorn runs with `--no-access-log`.
QUIET = {"FISHID_LOG": "warn"}

PLANS = [
    Plan(
        "fishid",
        "fishid",
        "its defaults, after `fishid tune`; as with its peers, no line in the log for each request",
        is_exact=False,
        caches=True,
        environment=QUIET,
    ),
    Plan(
        "fishid-streams",
        "fishid, 2 streams",
        "the same with two photographs side by side, one thread each",
        is_exact=False,
        caches=True,
        environment=QUIET,
        arguments=("--streams", "2", "--threads", "1"),
    ),
    Plan(
        "keras",
        "FastAPI + Keras EfficientNetB4 + Pillow",
        "uvicorn, 1 worker, uvloop and httptools; a `tf.function` of one shape (faster than `predict`), "
        "TensorFlow's own threads; 2 photographs at a time",
    ),
    Plan(
        "keras-predict",
        "FastAPI + Keras, `model.predict` + Pillow",
        "the same with `model.predict`, which is what most write",
        searches=False,
        environment={"KERAS_CALL": "predict"},
    ),
    Plan(
        "onnxruntime",
        "FastAPI + ONNX Runtime + Pillow",
        "uvicorn, 1 worker, uvloop and httptools; f32, 2 threads in an operation; 2 photographs at a time",
    ),
    Plan(
        "openvino",
        "FastAPI + onnxruntime-openvino, bf16 + Pillow with draft",
        "uvicorn, 1 worker, uvloop and httptools; 1 stream, 2 threads, batch pinned to 1; "
        "2 photographs at a time",
        is_exact=False,
    ),
    Plan(
        "openvino-streams",
        "FastAPI + onnxruntime-openvino, bf16, 2 streams + Pillow with draft",
        "the same with 2 streams of 1 thread: slower for one client, faster for many",
        is_exact=False,
        environment={"PEER_STREAMS": "2"},
    ),
    Plan(
        "litserve",
        "LitServe + ONNX Runtime + Pillow",
        "1 worker process for the model, f32, 2 threads in an operation",
    ),
    Plan(
        "redis",
        "FastAPI + Redis + ONNX Runtime",
        "as FastAPI + ONNX Runtime; redis-server on the same machine, hiredis, nothing written to disk",
        caches=True,
        searches=False,
    ),
]


# Answers without looking: shows what the load generator itself can do.
BARE = Plan("bare", "a server that looks at nothing", "", caches=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(host: str, path: str, seconds: float = 5) -> tuple[int, bytes]:
    """Status and body; (0, b"") where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://{host}{path}", timeout=seconds) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


class Running:
    """A server that is ready; end it with `stop`."""

    def __init__(self, plan: Plan, tools, log: Path):
        self.plan = plan
        port = free_port()
        self.host = f"127.0.0.1:{port}"
        self.processes = []
        self.log = log.open("w")
        environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        environment |= {"BUNDLE": str(tools.bundle), "PORT": str(port)} | plan.environment
        environment["PYTHONPATH"] = str(PEERS / "shared")
        if plan.name == "redis":
            environment["REDIS_URL"] = self.start_redis(environment)
        if plan.folder.name == "keras":
            environment |= {"KERAS_MODEL": str(tools.keras_model), "TF_CPP_MIN_LOG_LEVEL": "2"}
        started = time.monotonic()
        self.start(self.command(tools, port), environment)
        try:
            self.wait_ready(120)
        except BaseException:
            self.stop()
            raise
        self.cold_start_s = time.monotonic() - started

    def command(self, tools, port: int) -> list:
        name = self.plan.name
        if name == "bare":
            return [tools.binaries / "bare_server", port]
        if self.plan.is_fishid:
            return [
                tools.fishid,
                "serve",
                "--bundle",
                tools.bundle,
                "--listen",
                self.host,
                *self.plan.arguments,
            ]
        python = tools.python(self.plan.folder / "requirements.txt")
        if name == "litserve":
            return [python, self.plan.folder / "app.py"]
        web = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
        where = ["--app-dir", self.plan.folder, "--host", "127.0.0.1", "--port", port]
        return [python, "-m", "uvicorn", "app:app", *where, *web]

    def start(self, command: list, environment: dict):
        process = subprocess.Popen(
            [str(part) for part in command], env=environment, stdout=self.log, stderr=subprocess.STDOUT
        )
        self.processes.append(process)

    def start_redis(self, environment: dict) -> str:
        server = shutil.which("redis-server")
        if server is None:
            raise SystemExit("redis-server is missing: scripts/setup.sh bench installs it")
        port = free_port()
        quiet = ["--save", "", "--appendonly", "no", "--loglevel", "warning"]
        self.start([server, "--bind", "127.0.0.1", "--port", port, *quiet], environment)
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return f"redis://127.0.0.1:{port}/0"
            except OSError:
                if time.monotonic() > until:
                    self.stop()
                    raise
                time.sleep(0.02)

    def wait_ready(self, seconds: float):
        path = "/ready" if self.plan.is_fishid else "/health"
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.processes[-1].poll() is not None:
                raise SystemExit(f"{self.plan.title} ended while it started: see {self.log.name}")
            if fetch(self.host, path, 1)[0] == 200:
                return
            time.sleep(0.01)
        raise SystemExit(f"{self.plan.title} is not ready after {seconds} s: see {self.log.name}")

    def pids(self) -> list[int]:
        """The server's processes and theirs."""
        found = [process.pid for process in self.processes if process.poll() is None]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                found.extend(int(child) for child in text(children).split())
        return found

    def processor_seconds(self) -> float:
        ticks = 0
        for pid in self.pids():
            fields = fields_of(pid)
            ticks += sum(int(field) for field in fields[11:13])
        return ticks / TICKS_PER_SECOND

    def memory_mib(self) -> dict:
        """Resident memory of all processes, now and at its peak; what several share counts in each."""
        total = {"VmRSS": 0, "VmHWM": 0}
        for pid in self.pids():
            for line in text(Path(f"/proc/{pid}/status")).splitlines():
                name, _, value = line.partition(":")
                if name in total:
                    total[name] += int(value.split()[0]) / 1024
        return {"resident": total["VmRSS"], "peak": total["VmHWM"]}

    def stop(self):
        """Ends all of it; a child that outlives its parent is killed."""
        children = set(self.pids()) - {process.pid for process in self.processes}
        started = {pid: start_of(pid) for pid in children}
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        for pid, start in started.items():
            # Another process may have the number by now.
            if start is not None and start_of(pid) == start:
                os.kill(pid, signal.SIGKILL)
        self.log.close()


def start_of(pid: int) -> str | None:
    """When a process began, in ticks; `None` for one that is not there."""
    fields = fields_of(pid)
    return fields[19] if fields else None


def fields_of(pid: int) -> list[str]:
    """What the kernel counts of a process, from its state on; the name before it may hold blanks."""
    return text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()


def text(path: Path) -> str:
    """Empty where the process has ended meanwhile."""
    try:
        return path.read_text()
    except OSError:
        return ""
