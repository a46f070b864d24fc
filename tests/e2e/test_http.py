"""The HTTP contract against the real binary, as other people's clients speak it."""

import io

import pytest
import requests
from PIL import Image


@pytest.fixture(scope="module")
def server(small_bundle):
    from conftest import Fishid, Server

    running = Server(Fishid(small_bundle[0].parent / "home"), "serve", "--bundle", small_bundle[0])
    running.wait_ready(60)
    yield running
    running.stop()


def encoded(size=(320, 240), form="JPEG", mode="RGB"):
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert(mode).save(buffer, form)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("form", "mode"), [("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("WEBP", "RGB")]
)
def test_photograph_formats_are_answered(server, form, mode):
    reply = server.predict(encoded(form=form, mode=mode))
    assert reply.status_code == 200, reply.text


def test_a_raw_body_is_answered_like_a_form(server):
    photo = encoded()
    raw = requests.post(
        f"{server.url}/predict", data=photo, headers={"content-type": "image/jpeg"}, timeout=30
    )
    assert raw.json()["predicted_class"] == server.predict(photo).json()["predicted_class"]


@pytest.mark.parametrize(
    ("photo", "status"),
    [
        (b"", 422),
        (b"GIF89a not read here", 415),
        (b"%PDF-1.7", 415),
        (encoded()[:500], 422),
        (encoded(size=(1, 1), form="PNG"), 422),
        (b"\xff\xd8" + bytes(11 * 1024 * 1024), 413),
    ],
)
def test_bad_photographs_are_problems_in_words(server, photo, status):
    reply = server.predict(photo)
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json()
    assert problem.keys() >= {"type", "title", "status", "detail", "instance"}
    assert problem["status"] == status


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/predict", 405),
        ("POST", "/predict", 400),
        ("DELETE", "/model", 405),
    ],
)
def test_wrong_requests_are_problems(server, method, path, status):
    reply = requests.request(method, server.url + path, timeout=10)
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"


def test_metrics_count_what_happened(server):
    before = metric(server, "fishid_predictions_total")
    for i in range(3):
        assert server.predict(encoded(size=(300 + i, 200))).status_code == 200
    assert metric(server, "fishid_predictions_total") == before + 3
    text = requests.get(f"{server.url}/metrics", timeout=10).text
    for name in (
        "fishid_http_requests_total",
        "fishid_http_request_duration_seconds_bucket",
        'phase="inference"',
        "fishid_cache_requests_total",
        "fishid_model_info",
        "fishid_model_evaluation",
        "process_resident_memory_bytes",
    ):
        assert name in text, name
    assert metric(server, "process_resident_memory_bytes") > 1e6


def metric(server, name):
    lines = requests.get(f"{server.url}/metrics", timeout=10).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((name + "{", name + " ")))


def test_the_page_asks_no_other_host(server):
    page = requests.get(server.url + "/", timeout=10)
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for path in ("/style.css", "/app.js", "/texts.js", "/icon.svg", "/vendor/bootstrap.min.css"):
        assert requests.get(server.url + path, timeout=10).status_code == 200, path


def test_documents(server):
    assert "/predict" in requests.get(f"{server.url}/openapi.json", timeout=10).json()["paths"]
    assert requests.get(f"{server.url}/docs", timeout=10).status_code == 200
    assert requests.get(f"{server.url}/health", timeout=10).json() == {
        "status": "healthy",
        "model_loaded": True,
    }
    ready = requests.get(f"{server.url}/ready", timeout=10).json()
    assert ready["status"] == "ready"
