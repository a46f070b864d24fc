"""The stack as a whole: which services, on which ports, in which order; what runs is kept in a file.

Everything lies in $FISHID_HOME/stack: `state.json` (ports, process ids), `logs`, data, keys.
"""

import contextlib
import fcntl
import json
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from stack import process
from stack.fishid_server import FishidServer, default_binary
from stack.mlflow_server import MlflowServer
from stack.postgres import Postgres
from stack.process import StackError
from stack.redis import Redis
from stack.s3 import S3
from stack.service import Service, check_port_is_free, free_port, write_private


@dataclass
class Settings:
    """Ports by service name: absent for the last one used or the default, 0 for any that is free."""

    ports: dict[str, int] = field(default_factory=dict)
    host: str = "127.0.0.1"
    python: str = sys.executable
    binary: str = field(default_factory=default_binary)
    # For `fishid serve` alone.
    environment: dict[str, str] = field(default_factory=dict)


class LocalStack:
    def __init__(self, home: Path, settings: Settings):
        self.home = home.absolute()
        self.folder = self.home / "stack"
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self.settings = settings
        self.state_file = self.folder / "state.json"
        self.state = self.read_state()
        self.services = self.make_services()

    def read_state(self) -> dict:
        if not self.state_file.exists():
            return {}
        try:
            state = json.loads(self.state_file.read_text())
        except ValueError as error:
            raise StackError(
                f"{self.state_file} is damaged ({error}): end what it started by hand "
                "(postgres, versitygw, mlflow, redis-server, fishid), then delete it"
            ) from error
        return state

    def make_services(self) -> dict[str, Service]:
        host, python = self.settings.host, self.settings.python
        postgres = Postgres(self.folder, host, self.port(Postgres))
        s3 = S3(self.folder, host, self.port(S3), python)
        mlflow = MlflowServer(self.folder, host, self.port(MlflowServer), python, postgres, s3)
        redis = Redis(self.folder, host, self.port(Redis))
        registry = f"mlflow+{mlflow.address}"
        extra = self.settings.environment | {"FISHID_HOME": str(self.home)}
        fishid = FishidServer(
            self.folder, host, self.port(FishidServer), self.settings.binary, registry, redis, extra
        )
        return {service.name: service for service in (postgres, s3, mlflow, redis, fishid)}

    def port(self, kind: type[Service]) -> int:
        asked = self.settings.ports.get(kind.name)
        last = self.state.get("ports", {}).get(kind.name)
        if asked == 0:
            return last or free_port()
        return asked or last or kind.default_port

    @property
    def registry(self) -> str:
        return f"mlflow+{self.services['mlflow'].address}"

    @contextlib.contextmanager
    def alone(self):
        """Two callers at once take turns."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.state = self.read_state()
            yield

    def record(self, name: str) -> dict | None:
        return self.state.get("processes", {}).get(name)

    def is_running(self, name: str) -> bool:
        return process.is_running(self.record(name))

    def save(self, name: str, record: dict | None) -> None:
        self.state.setdefault("ports", {})[name] = self.services[name].port
        self.state.setdefault("processes", {})[name] = record
        write_private(self.state_file, json.dumps(self.state, indent=2) + "\n")

    def up(self, say=lambda line: None) -> None:
        """Starts what does not run. If one of them fails, ends those that this call started."""
        with self.alone():
            for service in self.services.values():
                self.check(service)
            started = []
            try:
                for name, service in self.services.items():
                    if not self.is_running(name):
                        say(f"starting {service.title}")
                        started.append(name)
                        self.launch(service)
            except BaseException:
                for name in reversed(started):
                    self.end(name)
                raise

    def down(self, say=lambda line: None, delete_data: bool = False) -> None:
        with self.alone():
            for name, service in reversed(self.services.items()):
                if self.is_running(name):
                    say(f"ending {service.title}")
                self.end(name)
            if delete_data:
                for service in self.services.values():
                    service.delete_data()
                shutil.rmtree(self.folder)

    def start(self, name: str) -> None:
        with self.alone():
            self.check(self.services[name])
            if not self.is_running(name):
                self.launch(self.services[name])

    def stop(self, name: str) -> None:
        with self.alone():
            self.end(name)

    def status(self) -> list[dict]:
        rows = []
        for name, service in self.services.items():
            record = self.record(name)
            state = "running" if process.is_running(record) else "ended" if record else "stopped"
            pid = record["pid"] if state == "running" else None
            rows.append(
                {
                    "service": name,
                    "state": state,
                    "address": service.address,
                    "pid": pid,
                    "log": str(service.log),
                }
            )
        return rows

    def check(self, service: Service) -> None:
        """What can be known before anything is started."""
        running_on = self.state.get("ports", {}).get(service.name)
        if self.is_running(service.name):
            if running_on != service.port:
                raise StackError(f"{service.title} runs on port {running_on}: end it first (make down)")
            return
        service.check()
        # Left behind by a leader that was killed, and still on its port.
        process.end(self.record(service.name), service.stop_signal)
        check_port_is_free(service, f"--{service.name}-port PORT (make up {service.name.upper()}_PORT=PORT)")

    def launch(self, service: Service) -> None:
        service.prepare()
        offset = service.log.stat().st_size if service.log.exists() else 0
        record = process.start(
            service.command(), service.environment(), service.log, service.cwd(), service.account()
        )
        self.save(service.name, record)
        self.wait_until_it_answers(service, record, offset)
        service.finish()

    def wait_until_it_answers(self, service: Service, record: dict, offset: int) -> None:
        until = time.monotonic() + service.start_seconds
        while not service.answers():
            if not process.is_running(record):
                what = "ended while it started"
            elif time.monotonic() > until:
                what = f"has not answered on {service.address} for {service.start_seconds} s"
            else:
                time.sleep(0.05)
                continue
            lines = process.last_lines(service.log, offset)
            raise StackError(f"{service.title} {what}; the end of {service.log}:\n{lines}")

    def end(self, name: str) -> None:
        process.end(self.record(name), self.services[name].stop_signal)
        self.save(name, None)
