"""Servers that share their answers over a Redis which is ended, filled and started again meanwhile."""

import shutil
import subprocess
import time

import pytest
from conftest import Fishid, free_port
from test_http import encoded, metric

BUDGET_S = 0.02
# What a busy machine adds to a request of a few milliseconds; the deadline of a request is 5 s.
SLACK_S = 3.0


class Redis:
    """A server of its own on a free port; ended by its own process id."""

    def __init__(self, folder, *arguments):
        self.program = shutil.which("redis-server")
        if not self.program:
            pytest.skip("redis-server is not installed: run scripts/setup.sh test")
        self.folder = folder
        self.arguments = arguments
        self.port = free_port()
        self.process = None
        self.start()

    def start(self):
        log = (self.folder / f"redis-{self.port}.log").open("w")
        listen = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--dir", str(self.folder)]
        self.process = subprocess.Popen([self.program, *listen, *self.arguments], stdout=log, stderr=log)
        wait_for(
            lambda: "Ready to accept connections" in (self.folder / f"redis-{self.port}.log").read_text()
        )

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path)
    yield server
    server.kill()


def wait_for(condition, seconds=30):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


def is_up(server):
    return metric(server, "fishid_cache_tier_up") == 1


def counted(server, result):
    return metric(server, f'fishid_cache_requests_total{{tier="redis",result="{result}"}}')


def ask(server, photo):
    started = time.monotonic()
    reply = server.predict(photo)
    assert reply.status_code == 200, reply.text
    assert time.monotonic() - started < BUDGET_S + SLACK_S
    return reply.json()


def test_a_second_server_knows_what_the_first_has_answered(small_bundle, serve, tmp_path, redis):
    url = f"redis://127.0.0.1:{redis.port}"
    # A budget that a busy machine keeps too; that the budget holds is tested with paused time.
    env = {"REDIS_URL": url, "FISHID_CACHE__REDIS_BUDGET_MS": "500"}
    first = serve(Fishid(tmp_path / "first"), "serve", "--bundle", small_bundle[0], env=env)
    second = serve(Fishid(tmp_path / "second"), "serve", "--bundle", small_bundle[0], env=env)
    for server in (first, second):
        server.wait_ready(60)
        wait_for(lambda server=server: is_up(server))

    photo = encoded()
    computed = ask(first, photo)
    assert not computed["cached"]
    wait_for(lambda: metric(first, 'fishid_cache_writes_total{tier="redis",result="stored"}') == 1)
    shared = second.predict(photo, lang="en").json()
    assert shared["cached"]
    assert shared["predicted_class"] == computed["predicted_class"]
    assert shared["confidence"] == computed["confidence"]
    assert shared["predicted_label"] != computed["predicted_label"], "what is shared knows no language"
    assert counted(second, "hit") == 1

    redis.kill()
    for width in range(200, 230):
        assert not ask(second, encoded(size=(width, 200)))["cached"]
    assert ask(second, photo)["cached"], "it is in the server's own memory by now"
    assert counted(second, "error") == 30
    assert not is_up(second)

    # A server that asked nothing meanwhile learns of the lost connection from its next photograph.
    assert not ask(first, encoded(size=(199, 200)))["cached"]
    assert not is_up(first)

    redis.start()
    wait_for(lambda: is_up(first) and is_up(second))
    fresh = encoded(size=(400, 300))
    ask(second, fresh)
    wait_for(lambda: metric(second, 'fishid_cache_writes_total{tier="redis",result="stored"}') == 1)
    assert ask(first, fresh)["cached"]


def test_a_redis_that_is_not_there_delays_no_start_and_its_password_is_in_no_log(
    small_bundle, serve, tmp_path
):
    env = {"REDIS_URL": f"redis://user:hush-hush@127.0.0.1:{free_port()}", "FISHID_LOG": "debug"}
    server = serve(Fishid(tmp_path / "home"), "serve", "--bundle", small_bundle[0], env=env)
    server.wait_ready(60)
    assert not ask(server, encoded())["cached"]
    assert ask(server, encoded())["cached"]
    assert counted(server, "error") == 1
    wait_for(lambda: "the shared cache is away" in server.output())
    assert "hush-hush" not in server.output()


def test_tls_and_a_password_are_spoken(small_bundle, serve, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        + ["-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost"]
        + ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"],
        check=True,
        capture_output=True,
    )
    tls_port = free_port()
    tls = ["--tls-port", tls_port, "--tls-cert-file", certificate, "--tls-key-file", key]
    tls += ["--tls-ca-cert-file", certificate, "--tls-auth-clients", "no", "--requirepass", "hush-hush"]
    redis = Redis(tmp_path, *map(str, tls))
    try:
        env = {
            "REDIS_URL": f"rediss://:hush-hush@localhost:{tls_port}",
            "SSL_CERT_FILE": str(certificate),
            "FISHID_CACHE__REDIS_BUDGET_MS": "500",
        }
        server = serve(Fishid(tmp_path / "home"), "serve", "--bundle", small_bundle[0], env=env)
        server.wait_ready(60)
        wait_for(lambda: is_up(server))
        ask(server, encoded())
        wait_for(lambda: metric(server, 'fishid_cache_writes_total{tier="redis",result="stored"}') == 1)
        assert "hush-hush" not in server.output()
    finally:
        redis.kill()


def test_a_wrong_address_is_refused_without_being_shown(fishid, small_bundle):
    refused = fishid("serve", "--bundle", small_bundle[0], env={"REDIS_URL": "http://:hush-hush@host"})
    assert refused.status == 2
    assert "cache.redis_url" in refused.err
    assert "hush-hush" not in refused.out + refused.err
