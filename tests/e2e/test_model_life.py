"""Train, evaluate, predict, publish, promote, serve, roll back: one model's whole life."""

import json
import math
import signal
import threading
import time

import pytest
import requests

CONTRACT_EVALUATION = {
    "n",
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "top_3_accuracy",
    "ece",
    "accuracy_ci95",
    "per_class",
    "confusion_matrix",
}
CONTRACT_REPLY = {
    "predicted_class",
    "predicted_label",
    "confidence",
    "top_3_predictions",
    "processing_time_ms",
    "model_version",
    "cached",
}


def test_a_bundle_has_the_files_of_the_contract(small_bundle):
    bundle, _ = small_bundle
    for name in (
        "MLmodel",
        "model.onnx",
        "fishid.json",
        "golden",
        "report.html",
        "model_card.md",
        "conda.yaml",
        "python_env.yaml",
        "requirements.txt",
    ):
        assert (bundle / name).exists(), name
    manifest = json.loads((bundle / "fishid.json").read_text())
    assert manifest["demonstration"], "a model of drawn fish says that it is a demonstration"
    assert "http://" not in (bundle / "report.html").read_text().replace("http://www.w3.org", "")


def test_training_twice_with_one_seed_gives_the_same_model(fishid, small_fish, small_bundle, tmp_path):
    fishid.ok("train", "--data", small_fish, "--out", tmp_path / "again")
    assert (tmp_path / "again" / "model.onnx").read_bytes() == (small_bundle[0] / "model.onnx").read_bytes()


def test_training_does_not_overwrite(fishid, small_fish, small_bundle):
    outcome = fishid("train", "--data", small_fish, "--out", small_bundle[0])
    assert outcome.status == 2
    assert str(small_bundle[0]) in outcome.err


def test_evaluation_prints_the_contract(fishid, small_bundle, small_fish):
    result = fishid.ok("evaluate", small_bundle[0], "--data", small_fish, "--json").json()
    assert result.keys() >= CONTRACT_EVALUATION
    assert result["n"] == 48
    low, high = result["accuracy_ci95"]
    assert 0 <= low <= result["accuracy"] <= high <= 1
    counts = result["confusion_matrix"]["counts"]
    assert sum(map(sum, counts)) == 48
    right = sum(counts[i][i] for i in range(len(counts)))
    assert math.isclose(right / 48, result["accuracy"])


def test_a_class_the_model_does_not_know_is_an_error_and_named(fishid, small_bundle, small_fish, tmp_path):
    strange = tmp_path / "strange"
    (strange / "sea_monster").mkdir(parents=True)
    photo = next(small_fish.glob("*/*.jpg"))
    (strange / "sea_monster" / "one.jpg").write_bytes(photo.read_bytes())
    outcome = fishid.ok("evaluate", small_bundle[0], "--data", strange, "--json")
    assert outcome.json()["accuracy"] == 0
    assert "sea_monster" in outcome.out


def test_prediction_goes_on_after_a_bad_photograph(fishid, small_bundle, small_fish, tmp_path):
    photos = sorted(small_fish.glob("*/*.jpg"))[:3]
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff no photograph")
    outcome = fishid("predict", small_bundle[0], photos[0], bad, *photos[1:], "--json")
    lines = outcome.json_lines()
    assert outcome.status == 2
    assert [line["path"] for line in lines] == [str(path) for path in (photos[0], bad, *photos[1:])]
    assert "error" in lines[1]
    for line in (lines[0], *lines[2:]):
        assert line.keys() >= CONTRACT_REPLY | {"path"}


def test_the_whole_life_in_a_registry(fishid, serve, small_bundle, small_fish, tmp_path):
    registry = f"file://{tmp_path / 'registry'}"
    in_registry = ("--registry", registry)
    server = serve(fishid, "serve", *in_registry)

    # A server without a model lives and says so.
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            health = requests.get(f"{server.url}/health", timeout=2)
            break
        except requests.ConnectionError:
            time.sleep(0.05)
    assert health.json() == {"status": "healthy", "model_loaded": False}
    assert requests.get(f"{server.url}/ready", timeout=2).status_code == 503
    photo = next(small_fish.glob("*/*.jpg")).read_bytes()
    refused = server.predict(photo)
    assert refused.status_code == 503
    assert refused.headers["retry-after"]

    first = fishid.ok("registry", "publish", small_bundle[0], *in_registry, "--json").json()
    again = fishid.ok("registry", "publish", small_bundle[0], *in_registry, "--json").json()
    assert again["version"] == first["version"], "the same bundle is the same version"
    fishid.ok("registry", "promote", first["version"], *in_registry, "--why", "the first")
    server.wait_ready(30)
    answer = server.predict(photo).json()
    assert answer["model_version"] == first["version"]
    assert server.predict(photo).json()["cached"] is True

    second_bundle = tmp_path / "second"
    fishid.ok("train", "--data", small_fish, "--out", second_bundle, "--seed", 7)
    second = fishid.ok("registry", "publish", second_bundle, *in_registry, "--json").json()
    assert second["version"] != first["version"]

    # Requests go on while the version changes; none fails, and the cache does not answer for the old one.
    seen, failures, stop = [], [], threading.Event()

    def ask():
        while not stop.is_set():
            reply = server.predict(photo)
            if reply.status_code == 200:
                seen.append((reply.json()["model_version"], reply.json()["cached"]))
            else:
                failures.append(reply.status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    fishid.ok("registry", "promote", second["version"], *in_registry, "--why", "another seed")
    until = time.monotonic() + 30
    while time.monotonic() < until and (not seen or seen[-1][0] != second["version"]):
        time.sleep(0.1)
    stop.set()
    asking.join()
    assert not failures
    assert seen[-1][0] == second["version"]
    assert next(cached for version, cached in seen if version == second["version"]) is False

    back = fishid.ok("registry", "rollback", *in_registry, "--why", "worse on perch", "--json").json()
    assert back["version"] == first["version"]
    shown = fishid.ok("registry", "show", "production", *in_registry, "--json").json()
    assert shown["version"] == first["version"]
    history = fishid.ok("registry", "history", *in_registry).out
    for reason in ("the first", "another seed", "worse on perch"):
        assert reason in history

    assert server.stop() == 0


def test_predict_on_the_command_line_and_over_http_agree(fishid, serve, small_bundle, small_fish):
    photo = next(small_fish.glob("*/*.jpg"))
    server = serve(fishid, "serve", "--bundle", small_bundle[0], "--precision", "f32")
    server.wait_ready(60)
    over_http = server.predict(photo.read_bytes(), lang="en").json()
    typed = fishid.ok("predict", small_bundle[0], photo, "--lang", "en", "--json").json_lines()[0]
    for field in ("predicted_class", "predicted_label", "model_version"):
        assert typed[field] == over_http[field]
    for here, there in zip(typed["top_3_predictions"], over_http["top_3_predictions"], strict=True):
        assert here["class"] == there["class"]
        assert math.isclose(here["probability"], there["probability"], abs_tol=1e-5)
    digest = over_http["model_version"]
    assert len(digest) == 12
    assert int(digest, 16) >= 0


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGINT])
def test_an_accepted_request_is_answered_after_the_signal(
    fishid, serve, small_bundle, small_fish, with_signal
):
    server = serve(fishid, "serve", "--bundle", small_bundle[0])
    server.wait_ready(60)
    photos = [path.read_bytes() for path in sorted(small_fish.glob("*/*.jpg"))[:16]]
    replies = []
    workers = [
        threading.Thread(target=lambda photo=photo: replies.append(server.predict(photo).status_code))
        for photo in photos
    ]
    for worker in workers:
        worker.start()
    while len(replies) < 2:
        time.sleep(0.005)
    assert server.stop(with_signal) == 0
    for worker in workers:
        worker.join()
    # Connections not yet accepted may be refused (their threads end without a reply); accepted ones are
    # answered.
    assert set(replies) == {200}


def test_a_class_of_ones_own_gets_the_names_of_ones_own_file(fishid, small_fish, tmp_path):
    folder = tmp_path / "fish"
    for n, source in enumerate(sorted(path for path in small_fish.iterdir() if path.is_dir())[:3]):
        target = folder / ("Pond Ghost", "arctic_char", source.name)[n]
        target.mkdir(parents=True)
        for photo in source.glob("*.jpg"):
            (target / photo.name).write_bytes(photo.read_bytes())
    names = tmp_path / "names.toml"
    names.write_text(
        '[[species]]\nslug = "arctic_char"\nlatin = "Salvelinus alpinus"\nru = "Голец"\nen = "Char"\n'
    )
    fishid.ok(
        "train", "--data", folder, "--out", tmp_path / "bundle", env={"FISHID_SPECIES__NAMES": str(names)}
    )
    classes = json.loads((tmp_path / "bundle" / "fishid.json").read_text())["classes"]
    named = {entry["slug"]: entry for entry in classes}
    assert named["arctic_char"] == {
        "slug": "arctic_char",
        "latin": "Salvelinus alpinus",
        "ru": "Голец",
        "en": "Char",
    }
    assert named["pond_ghost"]["en"] == "Pond ghost"
