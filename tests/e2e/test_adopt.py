"""`fishid registry adopt`: a classifier that Python wrote answers in fishid as it does in Python."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import requests
from conftest import SMALL_BACKBONE
from PIL import Image

INTERCHANGE = Path(__file__).parents[1] / "interchange"
SIDECAR = SMALL_BACKBONE.with_suffix(".json")
FEEDING = ["--scale", "1/255", "--mean", "0.45", "--std", "0.25"]


@pytest.fixture(scope="module")
def python():
    """Runs a script of tests/interchange in the Python that has MLflow and ONNX Runtime."""
    program = os.environ.get("FISHID_STACK_PYTHON")
    if not program:
        pytest.skip("FISHID_STACK_PYTHON is not set: `make test` sets it to a Python with MLflow")

    def run(script, *arguments, env=None):
        done = subprocess.run(
            [program, INTERCHANGE / script, *map(str, arguments)],
            env=os.environ | (env or {}),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def foreign(python, small_bundle, tmp_path_factory):
    """An MLflow model folder: float NCHW in, logits out, class names in the metadata."""
    folder = tmp_path_factory.mktemp("foreign") / "model"
    python("foreign_classifier.py", "save", SMALL_BACKBONE, small_bundle[0], folder, "--classes")
    return folder


def photographs(small_fish, folder):
    """Photographs of exactly the model's size, as PNG and as raw bytes: nothing is resized."""
    folder.mkdir()
    side = json.loads(SIDECAR.read_text())["input"]["size"][0]
    pairs = []
    for number, photo in enumerate(sorted(small_fish.glob("*/*.jpg"))[::5]):
        with Image.open(photo) as picture:
            small = picture.convert("RGB").resize((side, side))
        png, raw = folder / f"{number}.png", folder / f"{number}.raw"
        small.save(png)
        raw.write_bytes(small.tobytes())
        pairs.append((png, raw))
    return pairs


def check_same_answers(fishid, python, bundle, model, classes, pairs):
    answers = json.loads(
        python("foreign_classifier.py", "answer", model, SIDECAR, *(raw for _, raw in pairs))
    )
    predicted = fishid.ok("predict", bundle, *(png for png, _ in pairs), "--json").json_lines()
    for answer, prediction in zip(answers, predicted, strict=True):
        wanted = dict(zip(classes, answer, strict=True))
        for entry in prediction["top_3_predictions"]:
            assert abs(entry["probability"] - wanted[entry["class"]]) < 1e-4
        assert prediction["predicted_class"] == max(wanted, key=wanted.get)


def test_a_classifier_saved_by_mlflow_is_adopted_published_and_served(
    fishid, python, foreign, small_fish, tmp_path, serve
):
    registry = ["--registry", f"file://{tmp_path / 'registry'}"]
    bundle = tmp_path / "bundle"
    adopt = ["registry", "adopt", foreign, "--samples", small_fish, *FEEDING]
    told = fishid.ok(*adopt, "--out", bundle, "--json").json()
    assert told["version"] is None
    assert told["output_kind"] == "logits"
    assert told["largest_difference"] < 1e-4
    assert told["samples"]["accuracy"] > 0.5
    assert told["classes"] == sorted(told["classes"])
    assert "drawn" in told["demonstration"], "drawn fish prove nothing about real ones"

    pairs = photographs(small_fish, tmp_path / "exact")
    check_same_answers(fishid, python, bundle, foreign / "model.onnx", told["classes"], pairs)
    python("load_bundle.py", bundle, "--bundle-digest", told["bundle_digest"])
    manifest = json.loads((bundle / "fishid.json").read_text())
    assert manifest["backbone"]["name"] == "adopted"
    assert manifest["splits"] == {}
    assert "not known" in (bundle / "model_card.md").read_text()

    evaluated = fishid.ok("evaluate", bundle, "--data", small_fish, "--json").json()
    assert evaluated["accuracy"] == told["samples"]["accuracy"]

    published = fishid.ok(*adopt, *registry, "--json").json()
    assert published["model_digest"] == told["model_digest"]
    shown = fishid.ok("registry", "show", published["version"], *registry, "--json").json()
    assert shown["tags"]["backbone"] == "adopted"
    assert shown["tags"]["adopted_from"] == "model"
    assert not list((fishid.home / "bundles").glob("adopting-*")), "what it worked in is gone"
    fishid.ok("registry", "promote", published["version"], *registry)
    server = serve(fishid, "serve", *registry)
    server.wait_ready()
    reply = server.predict(pairs[0][0].read_bytes(), name="fish.png").json()
    assert reply["predicted_class"] in told["classes"]
    assert reply["model_version"] == published["version"]
    assert "samples" in requests.get(f"{server.url}/model", timeout=10).json()["evaluation"]


def test_the_gate_says_that_it_cannot_leave_out_what_an_adopted_champion_learned(fishid, foreign, small_fish):
    version = fishid.ok(
        "registry", "adopt", foreign, "--samples", small_fish, *FEEDING, "--json"
    ).json()["version"]  # fmt: skip
    fishid.ok("registry", "promote", version)
    verdict = fishid.ok("pipeline", "run", "--data", small_fish, "--json").json()["verdict"]
    assert verdict["champion"] == version
    (finding,) = [entry for entry in verdict["findings"] if entry["criterion"] == "lineage"]
    assert finding["outcome"] == "warning"
    assert "on which photographs is not known" in finding["sentence"]
    assert finding["sentence"] in verdict["reasons"]


def test_a_version_that_python_registered_is_adopted_from_the_server(
    fishid, python, small_bundle, small_fish, mlflow, tmp_path
):
    arguments = [SMALL_BACKBONE, small_bundle[0], tmp_path / "model", "--classes", "--register", "theirs"]
    tracking = {"MLFLOW_TRACKING_URI": mlflow, "MLFLOW_DISABLE_TELEMETRY": "true"}
    classes = json.loads(python("foreign_classifier.py", "save", *arguments, env=tracking).splitlines()[-1])
    registry = ["--registry", f"mlflow+{mlflow}"]
    rest = ["--samples", small_fish, *FEEDING, *registry]

    bundle = tmp_path / "bundle"
    fishid.ok("registry", "adopt", "models:/theirs@trained", *rest, "--out", bundle)
    pairs = photographs(small_fish, tmp_path / "exact")
    check_same_answers(fishid, python, bundle, tmp_path / "model" / "model.onnx", classes, pairs)
    assert fishid.ok("registry", "list", *registry, "--json").json() == []

    told = fishid.ok("registry", "adopt", "models:/theirs/1", *rest, "--why", "from Python", "--json").json()
    shown = fishid.ok("registry", "show", told["version"], *registry, "--json").json()
    assert shown["model"] == "fish-classifier"
    assert shown["why"] == "from Python"
    assert shown["tags"]["adopted_from"] == "models:/theirs/1"
    assert fishid("registry", "adopt", "models:/theirs/7", *rest).status == 2
    again = fishid("registry", "adopt", f"models:/fish-classifier/{told['version']}", *rest)
    assert again.status == 2
    assert "bundle already" in again.err


def test_channels_last_and_a_softmax_are_adopted_too(fishid, python, small_bundle, small_fish, tmp_path):
    folder, bundle = tmp_path / "model", tmp_path / "bundle"
    arguments = [SMALL_BACKBONE, small_bundle[0], folder, "--nhwc", "--softmax"]
    classes = json.loads(python("foreign_classifier.py", "save", *arguments))
    told = fishid.ok(
        "registry", "adopt", folder / "model.onnx", "--samples", small_fish, *FEEDING,
        "--classes", ",".join(classes), "--out", bundle, "--json",
    ).json()  # fmt: skip
    assert told["output_kind"] == "probabilities"
    assert told["version"] is None
    pairs = photographs(small_fish, tmp_path / "exact")
    check_same_answers(fishid, python, bundle, folder / "model.onnx", classes, pairs)


def test_what_the_samples_disprove_is_refused_and_leaves_nothing(
    fishid, foreign, small_bundle, small_fish, tmp_path
):
    out = tmp_path / "bundle"
    classes = [
        entry["slug"] for entry in json.loads((small_bundle[0] / "fishid.json").read_text())["classes"]
    ]
    turned = classes[1:] + classes[:1]

    def refused(*arguments):
        samples = [] if "--samples" in arguments else ["--samples", small_fish]
        outcome = fishid("registry", "adopt", foreign, *samples, "--out", out, *arguments)
        assert outcome.status == 2, outcome
        assert not out.exists()
        return outcome.err

    assert f"--classes {','.join(classes)}" in refused(*FEEDING, "--classes", ",".join(turned))
    assert "4" in refused(*FEEDING, "--classes", ",".join(classes[:3]))
    assert "--scale" in refused()
    assert "esox_niger" in refused(*FEEDING, "--classes", ",".join([*classes[:3], "esox_niger"]))
    # How it was trained is among the ways that are tried beside the stated one.
    assert "with --scale 1/255 --mean 0.485,0.456,0.406" in refused("--scale", "1")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes((foreign / "model.onnx").read_bytes().replace(b"Gemm", b"Gemn"))
    for weights in foreign.glob("*.data"):
        (tmp_path / weights.name).write_bytes(weights.read_bytes())
    told = fishid(
        "registry", "adopt", broken, "--samples", small_fish, *FEEDING, "--classes", ",".join(classes)
    )
    assert told.status == 2
    assert "the engine cannot run it" in told.err
    few = tmp_path / "few"
    for name in classes:
        (few / name).mkdir(parents=True)
        photo = min((small_fish / name).glob("*.jpg"))
        (few / name / photo.name).write_bytes(photo.read_bytes())
    assert "groups of its photographs" in refused(*FEEDING, "--samples", few)
    assert "--registry has no meaning" in refused(*FEEDING, "--registry", f"file://{tmp_path / 'registry'}")
