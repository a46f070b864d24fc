"""Requests at a steady rate, each due at a moment of its own, whatever became of those before (an open loop).

A request's time counts from when it was due, so that a server that stops for a second cannot hide it.
"""

import http.client
import json
import os
import queue
import random
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answered:
    # Moments of time.monotonic().
    due: float
    seconds: float
    # The status, or what was wrong with the connection.
    outcome: int | str
    version: str | None


# The server hangs up on connections that are idle for longer than it waits for a request's head.
LONGEST_IDLE_S = 5


class Client:
    """One connection that is kept; it asks with photographs that no cache has seen."""

    def __init__(self, url: str, timeout: float = 60):
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)
        self.used = time.monotonic()

    def ask(self, photo: bytes, due: float) -> Answered:
        if time.monotonic() - self.used > LONGEST_IDLE_S:
            self.connection.close()
        try:
            # Bytes behind the end of a picture change its digest and nothing else.
            headers = {"content-type": "image/jpeg"}
            self.connection.request("POST", "/predict", body=photo + os.urandom(8), headers=headers)
            reply = self.connection.getresponse()
            body = reply.read()
            version = json.loads(body)["model_version"] if reply.status == 200 else None
            return Answered(due, time.monotonic() - due, reply.status, version)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.connection.close()
            return Answered(due, time.monotonic() - due, repr(error), None)
        finally:
            self.used = time.monotonic()


class Traffic:
    """Goes on from entry to exit; `answered` grows meanwhile."""

    def __init__(self, url: str, photos: list[bytes], per_second: float, n_connections: int = 32):
        self.url = url
        self.photos = photos
        self.per_second = per_second
        self.answered: list[Answered] = []
        self.due = queue.SimpleQueue()
        self.stopping = threading.Event()
        self.random = random.Random(1)
        self.threads = [threading.Thread(target=self.plan, daemon=True)]
        self.threads += [threading.Thread(target=self.work, daemon=True) for _ in range(n_connections)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(120)

    def plan(self):
        due = time.monotonic()
        while not self.stopping.is_set():
            due += self.random.expovariate(self.per_second)
            self.stopping.wait(max(0.0, due - time.monotonic()))
            self.due.put(due)
        for _ in self.threads:
            self.due.put(None)

    def work(self):
        client = Client(self.url)
        while (due := self.due.get()) is not None:
            photo = self.photos[int(due * 1e6) % len(self.photos)]
            self.answered.append(client.ask(photo, due))

    def failures(self) -> list[Answered]:
        return [one for one in list(self.answered) if one.outcome != 200]

    def seconds(self, since: float, until: float) -> list[float]:
        """Of the requests that were due in this time, sorted."""
        return sorted(one.seconds for one in list(self.answered) if since <= one.due < until)


def capacity(url: str, photos: list[bytes], seconds: float, n_clients: int = 2) -> float:
    """Answers per second to clients that each send the next photograph when they have an answer."""
    until = time.monotonic() + seconds
    counts = []

    def go_on():
        client, n = Client(url), 0
        while time.monotonic() < until:
            answered = client.ask(photos[n % len(photos)], time.monotonic())
            assert answered.outcome == 200, answered
            n += 1
        counts.append(n)

    threads = [threading.Thread(target=go_on) for _ in range(n_clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counts) == n_clients, "a client failed"
    return sum(counts) / seconds


def percentile(ordered: list[float], share: float) -> float:
    """The smallest that at least this share of them does not exceed."""
    assert ordered
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000 * len(ordered)) // 1000) - 1))]
