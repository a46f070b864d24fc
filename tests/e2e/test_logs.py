"""The log of a server whose reader has stopped."""

import json
import os
import select
import signal
import subprocess

import requests
from conftest import BINARY, Fishid, free_port

# More than a pipe and the queue behind it hold: a line is some 300 bytes.
N_REQUESTS = 20_000
LONGEST_READ = 64 << 10
# As many lines wait in the server.
N_WAITING = 16_384


def test_nobody_reading_the_log_holds_up_no_request(small_bundle):
    fishid = Fishid(small_bundle[0].parent / "home")
    address = f"127.0.0.1:{free_port()}"
    reader, writer = os.pipe()
    command = [BINARY, "serve", "--bundle", str(small_bundle[0]), "--listen", address]
    server = subprocess.Popen(command, env=fishid.environment(), cwd=fishid.cwd, stderr=writer)
    os.close(writer)
    try:
        head = b""
        while b'"listening"' not in head:
            assert select.select([reader], [], [], 60)[0], f"the server says nothing more than {head!r}"
            head += os.read(reader, LONGEST_READ)
        # From here on nobody reads.
        with requests.Session() as session:
            for _ in range(N_REQUESTS):
                assert session.get(f"http://{address}/nothing", timeout=30).status_code == 404
        rest = bytearray()
        while rest.count(b"\n") < N_WAITING:
            rest += os.read(reader, LONGEST_READ)
        server.send_signal(signal.SIGTERM)
        while chunk := os.read(reader, LONGEST_READ):
            rest += chunk
        assert server.wait(60) == 0
    finally:
        server.kill()
        server.wait()
        os.close(reader)
    last = json.loads(rest.splitlines()[-1])
    assert last["message"] == "log lines were lost: nobody read standard error"
    assert 0 < last["n_lost"] < N_REQUESTS
