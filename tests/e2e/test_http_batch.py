"""Many photographs in one request, against the real binary."""

from pathlib import Path

import pytest
import requests


@pytest.fixture(scope="module")
def server(small_bundle):
    from conftest import Fishid, Server

    running = Server(Fishid(small_bundle[0].parent / "home"), "serve", "--bundle", small_bundle[0])
    running.wait_ready(60)
    yield running
    running.stop()


def test_a_batch_has_a_reply_for_each_photograph_in_order(server, small_fish):
    photos = [photo.read_bytes() for photo in sorted(small_fish.glob("*/*.jpg"))]
    photos[3] = b"no photograph"
    photos[7] = bytes(11 * 1024 * 1024)
    files = [("file", (f"{n}.jpg", photo)) for n, photo in enumerate(photos)]
    reply = requests.post(f"{server.url}/predict/batch?lang=en", files=files, timeout=120)
    assert reply.status_code == 200, reply.text
    found = reply.json()
    assert (found["n_answered"], found["n_refused"]) == (len(photos) - 2, 2)
    for n, (photo, result) in enumerate(zip(photos, found["results"], strict=True)):
        assert (result["index"], result["file_name"]) == (n, f"{n}.jpg")
        if n in (3, 7):
            assert result["status"] == {3: 415, 7: 413}[n]
            assert result["problem"]["instance"] == f"{reply.headers['x-request-id']}#{n}"
            continue
        alone = server.predict(photo, lang="en").json()
        for key in ("predicted_class", "predicted_label", "confidence", "top_3_predictions", "model_version"):
            assert result["prediction"][key] == alone[key]
    metrics = requests.get(f"{server.url}/metrics", timeout=10).text
    assert 'route="/predict/batch",method="POST",code="200"' in metrics


def test_a_batch_of_the_largest_photographs_stays_within_the_memory_set_aside(server):
    def resident():
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return int(fields["VmHWM"].split()[0]) / 1024

    before = resident()
    # 640 MB in one request, made as they are sent.
    boundary = "batch"

    def body():
        for n in range(64):
            head = f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="{n}"\r\n\r\n'
            yield head.encode()
            for _ in range(10):
                yield bytes([n]) * (1024 * 1024)
            yield b"\r\n"
        yield f"--{boundary}--\r\n".encode()

    reply = requests.post(
        f"{server.url}/predict/batch",
        data=body(),
        headers={"content-type": f"multipart/form-data; boundary={boundary}"},
        timeout=300,
    )
    assert reply.status_code == 200, reply.text
    assert [result["status"] for result in reply.json()["results"]] == [415] * 64
    grown = resident() - before
    print(f"640 MB in one request: {grown:.0f} MB more")
    assert grown < 200
