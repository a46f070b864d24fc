"""A real Nginx with the files of nginx/, as its image starts it, in front of servers that a test names."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from conftest import free_port

NGINX = Path(__file__).parents[2] / "nginx"
# In production it is not root either.
NOBODY = 65534
# The tests are one client.
UNLIMITED = {
    "FISHID_RATE_PER_S": "100000",
    "FISHID_RATE_BURST": "100000",
    "FISHID_CONNECTIONS_PER_CLIENT": "4096",
}


def need_nginx() -> str:
    # Debian keeps it where only root's PATH looks.
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if not found or not shutil.which("envsubst"):
        pytest.skip("nginx or envsubst is not installed: scripts/setup.sh test brings them")
    return found


class Gateway:
    def __init__(self, replicas: list[str], **settings: str):
        nginx = need_nginx()
        self.folder = Path(tempfile.mkdtemp(prefix="fishid-gateway-"))
        page = self.folder / "page"
        subprocess.run(["sh", NGINX / "build_page.sh", page], check=True)
        files = self.folder / "files"
        shutil.copytree(NGINX, files)
        self.port, status = free_port(), f"127.0.0.1:{free_port()}"
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.address}"
        self.status_url = f"http://{status}"
        self.log = self.folder / "log"
        environment = {
            "PATH": f"{os.environ['PATH']}:{Path(nginx).parent}",
            "FISHID_NGINX_RUN": str(self.folder / "run"),
            "FISHID_NGINX_PORT": str(self.port),
            "FISHID_NGINX_STATUS": status,
            "FISHID_PAGE": str(page),
            "FISHID_API_REPLICAS": " ".join(replicas),
        } | settings
        account = {}
        self.log.touch()
        if os.geteuid() == 0:
            account = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                ["sh", files / "entrypoint.sh"],
                env=environment,
                stdout=log,
                stderr=log,
                cwd="/",
                **account,
            )
        self.wait_until_it_answers()

    def wait_until_it_answers(self, seconds: float = 20):
        until = time.monotonic() + seconds
        while True:
            assert self.process.poll() is None, self.log.read_text()
            with contextlib.suppress(requests.ConnectionError):
                if requests.get(f"{self.url}/healthz", timeout=5).status_code == 204:
                    return
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.02)

    def requests_logged(self) -> list[dict]:
        """The access log; a line that is no JSON is an error message."""
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def logged(self, path: str, n: int) -> list[dict]:
        """The lines of this path, which must become so many: each is written after its reply was sent."""
        until = time.monotonic() + 10
        while len(lines := [line for line in self.requests_logged() if line["path"] == path]) < n:
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.02)
        assert len(lines) == n
        return lines

    def errors_logged(self) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if not line.startswith("{")]

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
        shutil.rmtree(self.folder)
        return self.process.returncode


class Double:
    """A server that gives one answer to everything, and counts who asked."""

    def __init__(self, status: int):
        self.bodies = []
        self.ids = []
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # noqa: N802
                double.bodies.append(self.rfile.read(int(self.headers["content-length"])))
                double.ids.append(self.headers["x-request-id"])
                self.send_response(status)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class ClosedLoop:
    """Clients that each send the next photograph when they have an answer; whatever came back is kept."""

    def __init__(self, client, n_clients: int):
        self.replies = []
        self.stopping = threading.Event()
        self.client = client
        self.threads = [threading.Thread(target=self.go_on, daemon=True) for _ in range(n_clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)

    def go_on(self):
        while not self.stopping.is_set():
            try:
                self.replies.append(self.client.ask().status)
            except OSError as error:
                self.replies.append(repr(error))
                return

    def wait_for_more(self, n: int, seconds: float = 60):
        goal, until = len(self.replies) + n, time.monotonic() + seconds
        while len(self.replies) < goal:
            assert time.monotonic() < until, f"{n} more replies within {seconds} s"
            time.sleep(0.01)

    def failures(self) -> list:
        return [one for one in self.replies if one != 200]
