"""Minutes of mixed good, bad, slow and aborted clients and reloads, against one running server.

    python bench/soak.py --minutes 30 --binary FISHID --bundle A --bundle B --photos FOLDER

Whatever is not the right outcome is counted and printed: a reset or a hang of a client that did nothing
wrong, a status that the request did not ask for, a 5xx other than 503 and 504, a panic in the log. Resident
memory is printed over time; it is called flat when the last quarter's median is within a tenth of the
second's.
"""

import argparse
import itertools
import json
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import requests  # noqa: E402

from bench.running import FolderRegistry, Server, resident_mib  # noqa: E402
from bench.traffic import Client  # noqa: E402

# Longer than any time-out of the server: whoever waits so long hangs.
HANG_S = 90
BUSY = {503, 504}


class Outcomes:
    """What came of every client, and which of it was wrong."""

    def __init__(self):
        self.counts = Counter()
        self.wrong = []
        self.lock = threading.Lock()

    def note(self, kind: str, outcome, is_right: bool) -> None:
        with self.lock:
            self.counts[kind, str(outcome)] += 1
            if not is_right:
                self.wrong.append(f"{time.strftime('%H:%M:%S')} {kind}: {outcome}")


class Soak:
    def __init__(self, url: str, pid: int, photos: list[bytes], seed: int = 1):
        self.url, self.pid, self.photos = url, pid, photos
        host, port = urlsplit(url).netloc.split(":")
        self.address = (host, int(port))
        self.outcomes = Outcomes()
        self.resident: list[tuple[float, float]] = []
        self.stopping = threading.Event()
        self.random = random.Random(seed)

    def run(self, seconds: float, reload_every_s: float, reload) -> None:
        clients = [self.good, self.good, self.good, self.bad, self.slow, self.aborted, self.watcher]
        threads = [threading.Thread(target=self.repeat, args=(client,), daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        started = time.monotonic()
        next_reload = started + reload_every_s
        while (elapsed := time.monotonic() - started) < seconds:
            self.resident.append((elapsed, resident_mib(self.pid)))
            if time.monotonic() >= next_reload:
                next_reload = time.monotonic() + reload_every_s
                self.outcomes.note("reload", *reload())
            self.stopping.wait(1)
        self.stopping.set()
        for thread in threads:
            thread.join(HANG_S + 30)
            if thread.is_alive():
                self.outcomes.note("client", "hangs", is_right=False)

    def repeat(self, client):
        client = client()
        while not self.stopping.is_set():
            try:
                next(client)
            except (OSError, requests.RequestException) as error:
                self.outcomes.note(client.__name__, repr(error)[:150], is_right=False)

    def photo(self) -> bytes:
        return self.random.choice(self.photos)

    def good(self):
        """Asks for new photographs and, every third time, for one that others ask for too."""
        client = Client(self.url, HANG_S)
        for n in itertools.count():
            if n % 3:
                answered = client.ask(self.photo(), time.monotonic())
                outcome = answered.outcome
            else:
                reply = requests.post(
                    f"{self.url}/predict",
                    files={"file": ("a.jpg", self.photos[n % len(self.photos)])},
                    timeout=HANG_S,
                )
                outcome = reply.status_code
            self.outcomes.note("good", outcome, outcome == 200 or outcome in BUSY)
            yield self.stopping.wait(0.01)

    def bad(self):
        """Sends what is no request for a prediction; each kind has its answer."""
        predict = f"{self.url}/predict"
        image = {"content-type": "image/jpeg"}
        kinds = [
            (
                "cut photograph",
                422,
                lambda: requests.post(predict, self.photo()[:400], headers=image, timeout=HANG_S),
            ),
            (
                "no photograph",
                415,
                lambda: requests.post(predict, b"GIF89a" * 9, headers=image, timeout=HANG_S),
            ),
            (
                "too large",
                413,
                lambda: requests.post(predict, bytes(11 << 20), headers=image, timeout=HANG_S),
            ),
            ("no body", 400, lambda: requests.post(predict, timeout=HANG_S)),
            ("text", 415, lambda: requests.post(predict, "a fish", timeout=HANG_S)),
            ("nowhere", 404, lambda: requests.get(f"{self.url}/nowhere", timeout=HANG_S)),
            ("wrong method", 405, lambda: requests.put(predict, b"x", timeout=HANG_S)),
            ("no token", 401, lambda: requests.post(f"{self.url}/admin/reload", timeout=HANG_S)),
            (
                "unsigned event",
                401,
                lambda: requests.post(f"{self.url}/admin/mlflow-webhook", b"{}", timeout=HANG_S),
            ),
        ]
        for kind, expected, ask in itertools.cycle(kinds):
            status = ask().status_code
            self.outcomes.note(kind, status, status == expected or status in BUSY)
            yield self.stopping.wait(0.05)

    def slow(self):
        """Sends a photograph in drops, within what is allowed, and reads its answer in drops."""
        for _ in itertools.count():
            photo = self.photo()
            with socket.create_connection(self.address, timeout=HANG_S) as connection:
                connection.sendall(head(len(photo)))
                for begin in range(0, len(photo), max(1, len(photo) // 20)):
                    connection.sendall(photo[begin : begin + max(1, len(photo) // 20)])
                    self.stopping.wait(0.1)
                reply = bytearray()
                while chunk := connection.recv(64):
                    reply += chunk
                status = int(reply.split(b" ", 2)[1]) if reply.startswith(b"HTTP/1.1 ") else "cut"
            self.outcomes.note("slow", status, status == 200 or status in BUSY)
            yield

    def aborted(self):
        """Leaves in the middle: of the head, of the body, before the answer, while it comes."""
        for n in itertools.count():
            photo = self.photo()
            connection = socket.create_connection(self.address, timeout=HANG_S)
            whole = head(len(photo)) + photo
            sent = [whole[:20], whole[: len(whole) // 2], whole, whole][n % 4]
            connection.sendall(sent)
            if n % 4 == 3:
                connection.recv(10)
            if n % 2:
                # Without the courtesy of a goodbye: a reset, not an end.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
            self.outcomes.note("aborted", "left", is_right=True)
            yield self.stopping.wait(0.05)

    def watcher(self):
        """What Kubernetes and Prometheus ask."""
        for path in itertools.cycle(["/ready", "/health", "/metrics", "/model"]):
            status = requests.get(self.url + path, timeout=HANG_S).status_code
            self.outcomes.note(path, status, status == 200)
            yield self.stopping.wait(0.5)

    def growth(self) -> float:
        """The median of resident memory in the last quarter against that in the second."""
        quarter = max(1, len(self.resident) // 4)
        values = [mib for _, mib in self.resident]
        return statistics.median(values[-quarter:]) / statistics.median(values[quarter : 2 * quarter]) - 1

    def table(self) -> str:
        """Markdown: resident memory by time, then outcomes."""
        step = max(1, len(self.resident) // 15)
        lines = ["| minute | resident, MiB |", "|---|---|"]
        lines += [f"| {at / 60:.1f} | {mib:.0f} |" for at, mib in self.resident[::step]]
        lines += ["", "| client | outcome | times |", "|---|---|---|"]
        lines += [
            f"| {kind} | {outcome} | {n} |" for (kind, outcome), n in sorted(self.outcomes.counts.items())
        ]
        return "\n".join(lines)


def head(n_bytes: int) -> bytes:
    return (
        f"POST /predict HTTP/1.1\r\nhost: soak\r\nconnection: close\r\n"
        f"content-type: image/jpeg\r\ncontent-length: {n_bytes}\r\n\r\n"
    ).encode()


def panics(log: str) -> list[str]:
    return [line for line in log.splitlines() if "panicked" in line]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, action="append", required=True, help="twice")
    parser.add_argument("--photos", type=Path, required=True, help="a folder of photographs")
    parser.add_argument("--reload-every-s", type=float, default=20)
    arguments = parser.parse_args()
    files = sorted(file for file in arguments.photos.rglob("*") if file.suffix in {".jpg", ".jpeg", ".png"})
    photos = [file.read_bytes() for file in files[:: max(1, len(files) // 60)]]
    with tempfile.TemporaryDirectory() as folder:
        registry = FolderRegistry(arguments.binary.resolve(), Path(folder))
        aliases = {}
        for bundle in arguments.bundle:
            version = registry.publish(bundle.resolve())
            registry.promote(version)
            aliases[version] = registry.alias.read_bytes()
        versions = itertools.cycle(aliases)
        webhook = {"FISHID_ADMIN__WEBHOOK_SECRET": "nobody signs with this one"}
        with Server(registry, **webhook) as server:
            server.wait_for(list(aliases)[-1])

            def reload():
                version = next(versions)
                registry.move(aliases[version])
                if (status := server.hint()) != 202:
                    return f"hint {status}", False
                try:
                    server.wait_for(version, 60)
                except AssertionError as error:
                    return str(error)[:200], False
                return "swapped", True

            soak = Soak(server.url, server.process.pid, photos)
            soak.run(60 * arguments.minutes, arguments.reload_every_s, reload)
        found = panics(server.log.read_text())
    print(soak.table())
    growth = soak.growth()
    wrong = soak.outcomes.wrong + found
    print(json.dumps({"growth": round(growth, 4), "wrong": wrong[:50], "n_wrong": len(wrong)}, indent=1))
    return 0 if not wrong and growth < 0.1 else 1


if __name__ == "__main__":
    sys.exit(main())
