"""The binary with a folder registry of its own: published versions, and a server that follows them."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import requests

MODEL = "fish-classifier"
TOKEN = "token-of-the-measurement-7d1f"


class FolderRegistry:
    """Versions of a folder, between which the alias can be moved at no cost of time."""

    def __init__(self, binary: Path, folder: Path):
        self.binary = binary
        self.home = folder / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.folder = folder / "registry"
        self.url = f"file://{self.folder}"

    def environment(self, **extra) -> dict:
        library = os.environ.get("ORT_DYLIB_PATH")
        if not library:
            home = os.environ.get("FISHID_HOME", str(Path.home() / ".local/share/fishid"))
            library = str(sorted(Path(home, "onnxruntime").glob("*/libonnxruntime.so*"))[-1])
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FISHID_")}
        return (
            kept | {"FISHID_HOME": str(self.home), "ORT_DYLIB_PATH": library, "HF_HUB_OFFLINE": "1"} | extra
        )

    def run(self, *arguments) -> str:
        command = [self.binary, *map(str, arguments)]
        done = subprocess.run(command, env=self.environment(), cwd=self.home, capture_output=True, text=True)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def publish(self, bundle: Path) -> str:
        printed = self.run("registry", "publish", bundle, "--registry", self.url, "--json")
        return json.loads(printed)["version"]

    def promote(self, version: str) -> None:
        self.run("registry", "promote", version, "--registry", self.url, "--force", "--why", "a measurement")

    @property
    def alias(self) -> Path:
        return self.folder / MODEL / "aliases" / "production.json"

    def move(self, alias: bytes) -> None:
        """Puts back what the file of the alias held after an earlier promotion."""
        part = self.alias.with_name("production.part")
        part.write_bytes(alias)
        part.rename(self.alias)


class Server:
    """`fishid serve` that follows the registry."""

    def __init__(self, registry: FolderRegistry, **environment):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.url = f"http://{address}"
        self.log = registry.home / "server.log"
        command = [registry.binary, "serve", "--registry", registry.url, "--listen", address]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command,
                env=registry.environment(FISHID_ADMIN__TOKEN=TOKEN, **environment),
                cwd=registry.home,
                stdout=log,
                stderr=log,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        finally:
            self.process.kill()

    def version(self) -> str | None:
        try:
            reply = requests.get(f"{self.url}/ready", timeout=10)
        except requests.ConnectionError:
            return None
        return reply.json().get("model_version")

    def wait_for(self, version: str, seconds: float = 120) -> float:
        """The moment at which it was seen to answer."""
        until = time.monotonic() + seconds
        while self.version() != version:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, f"version {version} does not answer after {seconds} s"
            time.sleep(0.02)
        return time.monotonic()

    def hint(self) -> int:
        headers = {"authorization": f"Bearer {TOKEN}"}
        return requests.post(f"{self.url}/admin/reload", headers=headers, timeout=10).status_code

    def resident_mib(self) -> float:
        return resident_mib(self.process.pid)


def resident_mib(pid: int) -> float:
    """As `process_resident_memory_bytes` reports it."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")
