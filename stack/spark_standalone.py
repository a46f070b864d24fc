"""A standalone Spark master with workers on this machine, and jobs submitted to it."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

from stack import process
from stack.process import MissingPrerequisiteError, StackError
from stack.service import inherited_environment

START_SECONDS = 60
MASTER_IS_UP = re.compile(r"Starting Spark master at (spark://\S+)")
WORKER_IS_UP = re.compile(r"Successfully registered with master")
# What a driver must not inherit from the person: another Spark, and settings of fishid.
FOREIGN = ("SPARK_", "PYSPARK_", "FISHID_", "JAVA_TOOL_OPTIONS", "HADOOP_", "PYTHONPATH", "PUSHGATEWAY_URL")


class SparkStandalone:
    """Use it in a `with`; `python` is one with pyspark and fishid, for driver and executors alike."""

    def __init__(
        self,
        python: Path,
        folder: Path,
        n_workers: int = 2,
        cores: int = 1,
        memory: str = "1g",
        settings: dict[str, str] | None = None,
    ):
        """`settings` is the environment of workers and drivers, such as the keys of S3."""
        self.python, self.folder, self.settings = Path(python), folder, settings or {}
        self.n_workers, self.cores, self.memory = n_workers, cores, memory
        self.records: list[dict] = []
        self.master = ""

    @property
    def home(self) -> Path:
        found = sorted(self.python.parent.parent.glob("lib/python*/site-packages/pyspark"))
        if not found:
            # It may stand in an environment that this one looks into.
            code = "import pathlib, pyspark; print(pathlib.Path(pyspark.__file__).parent)"
            asked = subprocess.run([self.python, "-c", code], capture_output=True, text=True, check=False)
            if asked.returncode != 0:
                raise MissingPrerequisiteError(f"{self.python} has no pyspark")
            return Path(asked.stdout.strip())
        return found[0]

    def environment(self, **extra: str) -> dict[str, str]:
        kept = {name: it for name, it in inherited_environment().items() if not name.startswith(FOREIGN)}
        own = {
            "SPARK_HOME": self.home,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_PYTHON": self.python,
            "PYSPARK_DRIVER_PYTHON": self.python,
            "SPARK_LOCAL_DIRS": self.folder / "local",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return kept | {name: str(value) for name, value in own.items()} | self.settings | extra

    def __enter__(self) -> "SparkStandalone":
        self.folder.mkdir(parents=True, exist_ok=True)
        if not any(Path(place, "java").exists() for place in os.environ["PATH"].split(os.pathsep)):
            raise MissingPrerequisiteError("Java is not installed: Spark needs it")
        try:
            log = self._start(
                "master", "master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0"
            )
            self.master = self._said(log, MASTER_IS_UP).group(1)
            logs = [self._start_worker(number) for number in range(self.n_workers)]
            for log in logs:
                self._said(log, WORKER_IS_UP)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        # Executors end with their worker.
        for record in reversed(self.records):
            process.end(record, signal.SIGTERM)
        self.records = []

    def applications(self) -> set[str]:
        """Ids of the applications that have had executors."""
        return {place.name for place in self.folder.glob("worker-*/app-*")}

    def submit(
        self, job: Path, *arguments: object, conf: dict | None = None, **extra: str
    ) -> subprocess.Popen:
        """A driver that runs; its output is in one pipe."""
        line = [self.home / "bin/spark-submit", "--master", self.master]
        settings = {
            "spark.executor.cores": self.cores,
            "spark.executor.memory": "512m",
            "spark.driver.memory": "512m",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.ui.enabled": "false",
        } | (conf or {})
        for name, value in settings.items():
            line += ["--conf", f"{name}={value}"]
        line += [job, *arguments]
        return subprocess.Popen(
            [str(part) for part in line],
            env=self.environment(**extra),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def _start(self, name: str, class_name: str, *arguments: str) -> Path:
        log = self.folder / f"{name}.log"
        line = [str(self.home / "bin/spark-class"), f"org.apache.spark.deploy.{class_name}", *arguments]
        environment = self.environment(SPARK_DAEMON_MEMORY="256m")
        self.records.append(process.start(line, environment, log, self.folder, {}))
        return log

    def _start_worker(self, number: int) -> Path:
        place = self.folder / f"worker-{number}"
        size = ["--cores", str(self.cores), "--memory", self.memory, "--work-dir", str(place)]
        here = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
        return self._start(f"worker-{number}", "worker.Worker", *here, *size, self.master)

    def _said(self, log: Path, what: re.Pattern) -> re.Match:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            found = what.search(log.read_text(errors="replace")) if log.exists() else None
            if found:
                return found
            if not all(process.is_running(record) for record in self.records):
                break
            time.sleep(0.1)
        raise StackError(f"Spark did not start; the end of {log}:\n{process.last_lines(log)}")
