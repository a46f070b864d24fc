"""The gateway: a real Nginx with the files of nginx/ in front of real servers, or of doubles."""

import contextlib
import http.client
import json
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest
import requests
from conftest import free_port
from gateway import UNLIMITED, ClosedLoop, Double, Gateway
from test_overload import Client, metrics, offer, percentile

# Two servers, their clients and whatever else runs share the cores: in an unhurried test nothing may be late.
DEADLINE_MS = 5_000
# Short, so that an overload shows within seconds.
SHORT_DEADLINE_MS = 2_000


@pytest.fixture
def gateway():
    """Starts gateways and ends them after the test."""
    gateways = []

    def start(replicas, **settings):
        gateways.append(Gateway(replicas, **settings))
        return gateways[-1]

    yield start
    for one in gateways:
        one.stop()


@pytest.fixture
def double():
    doubles = []

    def start(status):
        doubles.append(Double(status))
        return doubles[-1]

    yield start
    for one in doubles:
        one.stop()


@pytest.fixture
def start_replicas(serve, fishid, small_bundle):
    def start(deadline_ms):
        settings = {"FISHID_SERVE__DEADLINE_MS": str(deadline_ms), "FISHID_SERVE__CACHE_ENTRIES": "0"}
        pair = [serve(fishid, "serve", "--bundle", small_bundle[0], env=settings) for _ in range(2)]
        for one in pair:
            one.wait_ready(60)
        return pair

    return start


@pytest.fixture
def replicas(start_replicas):
    return start_replicas(DEADLINE_MS)


def addresses(servers):
    return [one.address for one in servers]


def nobody_listens() -> str:
    return f"127.0.0.1:{free_port()}"


def capacity(client, seconds=5, n_clients=8) -> float:
    """Answers per second to clients that wait for theirs before they ask again."""
    with ClosedLoop(client, n_clients) as load:
        load.wait_for_more(20)  # Warm: estimates, memory, page cache.
        n_before = load.replies.count(200)
        time.sleep(seconds)
        return (load.replies.count(200) - n_before) / seconds


def rejected(server) -> float:
    values = metrics(server).items()
    return sum(value for name, value in values if name.startswith("fishid_queue_rejected_total"))


def check_problem(reply, status, kind):
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    document = reply.json()
    assert document.keys() == {"type", "title", "status", "detail", "instance"}
    assert document["type"] == f"urn:fishid:problem:{kind}"
    assert document["status"] == status
    assert document["instance"] == reply.headers["x-request-id"]
    return document


def test_a_replica_that_is_killed_under_load_fails_no_request(replicas, gateway, serve, fishid, small_bundle):
    front = gateway(addresses(replicas), **UNLIMITED)
    with ClosedLoop(Client(front.address), n_clients=4) as load:
        load.wait_for_more(40)
        replicas[0].process.kill()
        replicas[0].process.wait()
        load.wait_for_more(100)
    assert load.failures() == []
    asked = Counter(len(line["replicas"].split(",")) for line in front.requests_logged() if line["replicas"])
    print(f"{len(load.replies)} requests, all 200; asked of so many replicas: {dict(asked)}")
    assert asked[2] > 0, "the kill met a request or a connection"
    assert asked.keys() <= {1, 2}


def test_a_replica_that_is_drained_under_load_finishes_its_requests_and_fails_none(replicas, gateway):
    front = gateway(addresses(replicas), **UNLIMITED)
    with ClosedLoop(Client(front.address), n_clients=4) as load:
        load.wait_for_more(40)
        replicas[0].process.send_signal(signal.SIGTERM)
        load.wait_for_more(40)
        assert replicas[0].process.wait(60) == 0
        load.wait_for_more(40)
    assert load.failures() == []
    assert '"drained"' in replicas[0].output(), "nothing was cut"
    asked = {one for line in front.requests_logged() for one in line["replicas"].split(", ")}
    assert asked >= {replicas[0].address, replicas[1].address}


def test_a_replica_that_comes_back_is_asked_again(replicas, gateway, fishid):
    front = gateway(addresses(replicas), **UNLIMITED)
    with ClosedLoop(Client(front.address), n_clients=2) as load:
        replicas[0].process.kill()
        replicas[0].process.wait()
        load.wait_for_more(20)
        again = subprocess.Popen(
            [str(part) for part in replicas[0].process.args],
            env=fishid.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            n_before = len(front.requests_logged())
            until = time.monotonic() + 60
            while replicas[0].address not in [
                line["replicas"] for line in front.requests_logged()[n_before:]
            ]:
                assert time.monotonic() < until, "it is asked again, first and alone, when it is back"
                load.wait_for_more(5)
        finally:
            again.send_signal(signal.SIGTERM)
            again.wait(60)
    assert load.failures() == []


def test_three_times_the_capacity_is_refused_by_one_replica_each_and_most_of_the_capacity_is_answered(
    start_replicas, gateway
):
    replicas = start_replicas(SHORT_DEADLINE_MS)
    front = gateway(addresses(replicas), **UNLIMITED)
    client = Client(front.address)
    n_per_second = capacity(client)

    n_before = sum(rejected(one) for one in replicas)
    replies = offer(client, 3 * n_per_second, 6)
    statuses = Counter(reply.status for reply in replies)
    answered = [reply for reply in replies if reply.status == 200]
    refused = [reply for reply in replies if reply.status == 503]
    share = len(answered) / 6 / n_per_second
    p99_ms = percentile([reply.processing_ms for reply in answered], 0.99)
    print(
        f"capacity {n_per_second:.1f}/s, offered {len(replies) / 6:.1f}/s, {dict(statuses)}, "
        f"answered {share:.0%} of the capacity, p99 {p99_ms:.0f} ms in the servers"
    )
    assert statuses.keys() <= {200, 503, 504}
    assert refused
    assert all(int(reply.retry_after) >= 1 for reply in refused)
    # As in test_overload.py: the client and both servers share these cores.
    assert share >= 0.5
    assert p99_ms <= SHORT_DEADLINE_MS * 1.05
    lines = [line for line in front.requests_logged() if line["path"] == "/predict"]
    assert {line["replica_statuses"] for line in lines} <= {"200", "503", "504"}, (
        "nothing was asked for twice"
    )
    n_rejected = sum(rejected(one) for one in replicas) - n_before
    assert n_rejected == statuses[503] + statuses[504]


def test_slow_clients_take_no_place_of_a_replica_and_are_hung_up_on(replicas, gateway, small_fish):
    front = gateway(addresses(replicas), **UNLIMITED)
    photo = next(small_fish.glob("*/*.jpg")).read_bytes()
    head = b"POST /predict HTTP/1.1\r\nhost: fish\r\ncontent-type: image/jpeg\r\n"
    slow = [socket.create_connection(("127.0.0.1", front.port), timeout=30) for _ in range(200)]
    for n, connection in enumerate(slow):
        whole = head + b"content-length: %d\r\n\r\n" % len(photo) + photo
        # Half of them stop in the head, half in the photograph.
        connection.sendall(whole[: 60 if n % 2 else len(whole) - 10])
    started = time.monotonic()
    for _ in range(20):
        reply = requests.post(
            f"{front.url}/predict", data=photo, headers={"content-type": "image/jpeg"}, timeout=30
        )
        assert reply.status_code == 200
    assert time.monotonic() - started < 10
    seen = sum(
        value
        for one in replicas
        for name, value in metrics(one).items()
        if name.startswith("fishid_http_requests_total") and '"/predict"' in name
    )
    assert seen == 20, "the replicas heard of whole requests only"
    # 15 s for a head, 10 s between two pieces of a body.
    for connection in slow:
        connection.settimeout(max(0.1, started + 25 - time.monotonic()))
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""
        connection.close()


@pytest.mark.parametrize(("first", "n_asked"), [(502, 2), (503, 1), (504, 1), (500, 1), (429, 1)])
def test_only_a_502_is_asked_of_another_replica(gateway, double, first, n_asked):
    wrong, right = double(first), double(200)
    front = gateway([wrong.address, right.address], **UNLIMITED)
    for n in range(4):
        requests.post(f"{front.url}/predict", data=b"fish %d" % n, timeout=30)
    logged = front.logged("/predict", 4)
    lines = [line for line in logged if line["replica_statuses"].startswith(str(first))]
    assert lines, "one of them was asked first"
    assert {len(line["replica_statuses"].split(",")) for line in lines} == {n_asked}
    assert {line["status"] for line in lines} == {200 if n_asked == 2 else first}
    # The second try has the whole body, and the same id.
    assert sorted({*wrong.bodies, *right.bodies}) == [b"fish 0", b"fish 1", b"fish 2", b"fish 3"]
    assert {*wrong.ids, *right.ids} == {line["id"] for line in logged}


def test_two_replicas_are_tried_and_not_a_third(gateway):
    front = gateway([nobody_listens() for _ in range(3)], **UNLIMITED)
    reply = requests.post(f"{front.url}/predict", data=b"fish", timeout=30)
    document = check_problem(reply, 502, "no-replica")
    assert reply.headers["retry-after"] == "5"
    assert "upstream" not in json.dumps(document)
    (line,) = front.logged("/predict", 1)
    assert len(line["replicas"].split(",")) == 2


def test_a_client_that_asks_too_fast_is_told_429_and_others_are_not(gateway, double):
    replica = double(200)
    settings = {"FISHID_RATE_PER_S": "1", "FISHID_RATE_BURST": "3"}
    front = gateway([replica.address], FISHID_TRUSTED_PROXIES="127.0.0.0/8", **settings)

    def ask(client):
        return requests.post(
            f"{front.url}/predict", data=b"fish", headers={"x-forwarded-for": client}, timeout=30
        )

    replies = [ask("192.0.2.1") for _ in range(8)]
    limited = [reply for reply in replies if reply.status_code == 429]
    assert len(limited) >= 3
    check_problem(limited[0], 429, "too-many-requests")
    assert limited[0].headers["retry-after"] == "1"
    assert ask("192.0.2.2").status_code == 200, "another client"
    # Where no proxy is trusted, nobody becomes another client by saying so.
    front = gateway([replica.address], **settings)
    statuses = [ask(f"192.0.2.{n}").status_code for n in range(8)]
    assert statuses.count(429) >= 3


def test_errors_of_the_gateway_are_problem_documents(replicas, gateway):
    front = gateway(addresses(replicas), **UNLIMITED)
    photo = {"content-type": "image/jpeg"}
    check_problem(requests.get(f"{front.url}/nothing", timeout=30), 404, "not-found")
    check_problem(requests.get(f"{front.url}/vendor/", timeout=30), 404, "not-found")
    check_problem(requests.post(f"{front.url}/style.css", timeout=30), 405, "method-not-allowed")
    check_problem(requests.get(f"{front.url}/{'x' * 20_000}", timeout=30), 414, "address-too-long")
    check_problem(
        requests.get(f"{front.url}/", headers={"x-long": "x" * 20_000}, timeout=30), 431, "head-too-large"
    )
    # Just above ten megabytes the replica itself says so, far above the gateway does.
    eleven = requests.post(f"{front.url}/predict", data=bytes(10_600_000), headers=photo, timeout=60)
    check_problem(eleven, 413, "too-large")
    assert (
        eleven.json()["detail"]
        != check_problem(
            requests.post(f"{front.url}/predict", data=bytes(13_000_000), headers=photo, timeout=60),
            413,
            "too-large",
        )["detail"]
    )
    assert [line["replica_statuses"] for line in front.logged("/predict", 2)] == ["413", ""]
    # What is not HTTP at all.
    with socket.create_connection(("127.0.0.1", front.port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nno header\r\n\r\n")
        reply = connection.recv(4096)
    assert b" 400 " in reply
    assert b"urn:fishid:problem:bad-request" in reply


def test_a_batch_of_photographs_passes_whole(replicas, gateway, small_fish):
    front = gateway(addresses(replicas), **UNLIMITED)
    photos = [file.read_bytes() for file in sorted(small_fish.glob("*/*.jpg"))[:3]]
    # More than a request of one photograph may have.
    files = [("file", (f"{n}.jpg", photos[n % 3] + bytes(6_000_000))) for n in range(4)]
    reply = requests.post(f"{front.url}/predict/batch", files=files, timeout=60)
    assert reply.status_code == 200, reply.text
    assert reply.json()["n_answered"] == 4


def test_metrics_and_hints_are_not_public(replicas, gateway):
    front = gateway(addresses(replicas), **UNLIMITED)
    for path in (
        "/metrics",
        "/metrics/",
        "//metrics",
        "/%6Detrics",
        "/x/../metrics",
        "/metrics?a=1",
        "/admin/reload",
    ):
        connection = http.client.HTTPConnection(front.address, timeout=30)
        connection.request("GET", path)
        reply = connection.getresponse()
        assert reply.status == 404, path
        assert b"process_" not in reply.read()
    assert requests.post(f"{front.url}/admin/reload", timeout=30).status_code == 404
    assert requests.get(f"{front.url}/stub_status", timeout=30).status_code == 404
    status = requests.get(f"{front.status_url}/stub_status", timeout=30)
    assert re.search(r"Active connections: \d+", status.text)


def test_the_page_comes_from_disk_with_the_replicas_own_headers(replicas, gateway):
    front = gateway(addresses(replicas), **UNLIMITED)
    page = requests.get(f"{front.url}/", timeout=30)
    own = requests.get(f"{replicas[0].url}/", timeout=30)
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-cache"
    known = ("server", "date", "etag", "last-modified", "content-length", "content-encoding", "accept-ranges")
    names = {name.lower() for name in own.headers} - set(known)
    assert "content-security-policy" in names
    plain = {
        name: page.headers.get(name) for name in names if name not in ("vary", "x-request-id", "connection")
    }
    assert plain == {name: own.headers[name] for name in plain}
    links = {link for link in re.findall(r'(?:src|href)="([^"]+)"', page.text) if link != "docs"}
    assert {link.partition("?")[0] for link in links} >= {"app.js", "style.css", "vendor/bootstrap.min.css"}
    for link in links:
        part = requests.get(f"{front.url}/{link}", headers={"accept-encoding": "gzip"}, timeout=30)
        assert part.status_code == 200, link
        assert part.headers["cache-control"] == "public, max-age=31536000, immutable", link
        assert part.headers["content-encoding"] == "gzip", link
        again = requests.get(
            f"{front.url}/{link}",
            headers={"accept-encoding": "gzip", "if-none-match": part.headers["etag"]},
            timeout=30,
        )
        assert again.status_code == 304
    assert requests.get(f"{front.url}/app.js", timeout=30).headers["cache-control"] == "no-cache"
    # Answers pass with the server's headers, each once.
    model = requests.get(f"{front.url}/model", timeout=30)
    assert model.status_code == 200
    assert model.headers["x-content-type-options"] == "nosniff"
    assert requests.get(f"{front.url}/docs/", timeout=30).status_code == 200
    assert requests.get(f"{front.url}/openapi.json", timeout=30).json()["openapi"]


def test_one_id_names_a_request_in_the_reply_and_in_both_logs(replicas, gateway, small_fish):
    front = gateway(addresses(replicas[:1]), **UNLIMITED)
    photo = next(small_fish.glob("*/*.jpg")).read_bytes()
    headers = {"content-type": "image/jpeg"}
    own = requests.post(
        f"{front.url}/predict", data=photo, headers=headers | {"x-request-id": "mine-1"}, timeout=30
    )
    given = requests.post(f"{front.url}/predict", data=photo, headers=headers, timeout=30)
    odd = requests.post(
        f"{front.url}/predict", data=photo, headers=headers | {"x-request-id": 'a"b c'}, timeout=30
    )
    assert own.headers["x-request-id"] == "mine-1"
    ids = [reply.headers["x-request-id"] for reply in (own, given, odd)]
    assert len(set(ids)) == 3
    lines = front.logged("/predict", 3)
    assert [line["id"] for line in lines] == ids
    assert all(
        line["status"] == 200 and line["seconds"] > 0 and line["bytes_in"] > len(photo) for line in lines
    )
    replicas[0].stop()
    for one in ids:
        assert f'"{one}"' in replicas[0].output()
    assert front.errors_logged() == []


@pytest.fixture
def folder_for_nobody():
    """Which the gateway's account can read, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_tls_by_nginx_itself_sends_plain_http_there(replicas, gateway, folder_for_nobody):
    folder = folder_for_nobody
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
        + ["-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    key.chmod(0o644)
    port = free_port()
    front = gateway(
        addresses(replicas),
        FISHID_TLS_CERTIFICATE=str(certificate),
        FISHID_TLS_KEY=str(key),
        FISHID_TLS_PORT=str(port),
        **UNLIMITED,
    )
    moved = requests.post(f"{front.url}/predict?lang=en", data=b"x", timeout=30, allow_redirects=False)
    assert moved.status_code == 308
    assert moved.headers["location"] == f"https://127.0.0.1:{port}/predict?lang=en"
    secure = requests.get(f"https://localhost:{port}/ready", verify=str(certificate), timeout=30)
    assert secure.status_code == 200
    assert secure.headers["strict-transport-security"].startswith("max-age=")
    check_problem(requests.get(f"http://127.0.0.1:{port}/", timeout=30), 400, "bad-request")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"FISHID_API_REPLICAS": ""}, "FISHID_API_REPLICAS is not set"),
        ({"FISHID_RATE_PER_S": "many"}, "FISHID_RATE_PER_S is 'many'"),
        ({"FISHID_TLS_CERTIFICATE": "/nowhere.pem"}, "/nowhere.pem"),
    ],
)
def test_a_wrong_setting_is_named(gateway, settings, said):
    with pytest.raises(AssertionError, match=re.escape(said)):
        gateway([nobody_listens()], **settings)
