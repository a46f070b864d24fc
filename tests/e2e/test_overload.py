"""Three times as many photographs as the server can answer: it answers what it can and tells the rest."""

import http.client
import io
import itertools
import random
import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import requests
from PIL import Image

DEADLINE_MS = 1_000
CAPACITY_SECONDS = 4
OVERLOAD_SECONDS = 8


@dataclass
class Reply:
    status: int
    seconds: float
    processing_ms: float | None
    retry_after: str | None


class Client:
    """Sends photographs that the server has not seen, each thread on a connection of its own."""

    def __init__(self, address: str):
        buffer = io.BytesIO()
        # Few bytes to send and many pixels to decode: the client takes little of the processor.
        Image.linear_gradient("L").resize((2400, 1800)).convert("RGB").save(buffer, "PNG")
        self.photo = buffer.getvalue()
        self.address = address
        self.numbers = itertools.count()
        self.own = threading.local()

    def another_photo(self) -> bytes:
        data = b"tEXtnumber\0%d" % next(self.numbers)
        chunk = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
        # Before IEND, the last 12 bytes.
        return self.photo[:-12] + chunk + self.photo[-12:]

    def ask(self, **headers) -> Reply:
        if not hasattr(self.own, "connection"):
            self.own.connection = http.client.HTTPConnection(self.address, timeout=30)
        connection = self.own.connection
        started = time.monotonic()
        connection.request("POST", "/predict", self.another_photo(), {"content-type": "image/png"} | headers)
        response = connection.getresponse()
        body = response.read()
        took = time.monotonic() - started
        processing = None
        if response.status == 200:
            processing = float(body.partition(b'"processing_time_ms":')[2].partition(b",")[0])
        return Reply(response.status, took, processing, response.headers["retry-after"])


@pytest.fixture
def server(small_bundle, serve, fishid):
    settings = {"FISHID_SERVE__DEADLINE_MS": str(DEADLINE_MS), "FISHID_SERVE__CACHE_ENTRIES": "0"}
    running = serve(fishid, "serve", "--bundle", small_bundle[0], env=settings)
    running.wait_ready(60)
    return running


def metrics(server) -> dict[str, float]:
    lines = requests.get(f"{server.url}/metrics", timeout=10).text.splitlines()
    values = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in values}


def capacity(client: Client, n_clients: int) -> float:
    """Answers per second when every client waits for its answer before it asks again."""
    until = time.monotonic() + CAPACITY_SECONDS

    def keep_asking(_):
        n_answers = 0
        while time.monotonic() < until:
            reply = client.ask()
            assert reply.status == 200, reply
            n_answers += 1
        return n_answers

    started = time.monotonic()
    with ThreadPoolExecutor(n_clients) as pool:
        n_answers = sum(pool.map(keep_asking, range(n_clients)))
    return n_answers / (time.monotonic() - started)


def offer(client: Client, per_second: float, seconds: float) -> list[Reply]:
    """Asks at random times, independent of each other and of the answers."""
    dice = random.Random(7)
    pending = []
    with ThreadPoolExecutor(400) as pool:
        start = due = time.monotonic()
        while due < start + seconds:
            time.sleep(max(0, due - time.monotonic()))
            pending.append(pool.submit(client.ask))
            due += dice.expovariate(per_second)
        # A reset or a hang comes out here, as an exception.
        return [future.result() for future in pending]


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def test_three_times_the_capacity_leaves_most_of_the_capacity(server):
    client = Client(server.address)
    capacity(client, 2)  # Warm: estimates, memory, page cache.
    n_per_second = capacity(client, 8)
    memory_before = metrics(server)["process_resident_memory_bytes"]

    replies = offer(client, 3 * n_per_second, OVERLOAD_SECONDS)
    answered = [reply for reply in replies if reply.status == 200]
    refused = [reply for reply in replies if reply.status == 503]
    late = [reply for reply in replies if reply.status == 504]
    goodput = len(answered) / OVERLOAD_SECONDS
    share = goodput / n_per_second
    p99_ms = percentile([reply.processing_ms for reply in answered], 0.99)
    p99_client = percentile([reply.seconds for reply in answered], 0.99)
    after = metrics(server)
    memory_ratio = after["process_resident_memory_bytes"] / memory_before
    print(
        f"capacity {n_per_second:.1f}/s, offered {len(replies) / OVERLOAD_SECONDS:.1f}/s, "
        f"answered {goodput:.1f}/s ({share:.0%}), refused {len(refused)}, late {len(late)}, "
        f"p99 {p99_ms:.0f} ms in the server and {p99_client * 1e3:.0f} ms seen by the client, "
        f"memory x{memory_ratio:.2f}"
    )

    assert len(answered) + len(refused) + len(late) == len(replies), {reply.status for reply in replies}
    assert refused, "three times the capacity is more than the capacity"
    assert all(reply.retry_after and int(reply.retry_after) >= 1 for reply in refused)
    # 85 % is what is aimed at, and measured on an idle machine. Here the client runs on the same cores, and
    # three times as fast as while the capacity was measured; other tests may run beside it.
    assert share >= 0.6, "the server does work that nobody gets"
    assert p99_ms <= DEADLINE_MS * 1.05
    # Refusals are decided on arrival: half of them within what an answer takes at most.
    assert percentile([reply.seconds for reply in refused], 0.5) < DEADLINE_MS / 1e3
    # Few on an idle machine; on one that other work slows down, what is in line then is late.
    assert len(late) < len(answered), "most of what is accepted is answered in time"
    assert memory_ratio < 2, "what waits is bounded"

    rejected = sum(value for name, value in after.items() if name.startswith("fishid_queue_rejected_total"))
    assert rejected == len(refused) + len(late)
    assert after["fishid_queue_depth"] == 0
    assert client.ask().status == 200, "it is over when it is over"


def test_clients_that_give_up_cost_the_others_nothing(server):
    client = Client(server.address)
    capacity(client, 2)
    before = metrics(server)

    def give_up(_):
        connection = http.client.HTTPConnection(client.address, timeout=30)
        connection.request("POST", "/predict", client.another_photo(), {"content-type": "image/png"})
        connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(give_up, range(40)))
    assert client.ask().status == 200
    left = 'fishid_queue_rejected_total{reason="client_gone"}'
    runs = 'fishid_phase_duration_seconds_count{phase="inference"}'
    until = time.monotonic() + 20
    while metrics(server)["fishid_queue_depth"] > 0:
        assert time.monotonic() < until, "those who left are still in line"
    after = metrics(server)
    n_gone = after[left] - before[left]
    n_runs = after[runs] - before[runs]
    print(f"of 40 that gave up {n_gone:.0f} were in line, {n_runs:.0f} photographs went to the model")
    assert n_runs <= 41 - 0.5 * n_gone, "most of those in line never reached the model"
