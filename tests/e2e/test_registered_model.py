"""What fishid registered, used from Python by people who know MLflow and nothing of fishid."""

import io
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import requests
from conftest import free_port
from PIL import Image
from services import wait_until

SCRIPT = Path(__file__).parents[1] / "interchange" / "registered_model.py"
NAME = "fish-classifier"
TOLERANCE = 1e-4

SAVE_PIXELS = """
import numpy as np, sys
from PIL import Image
np.save(sys.argv[1], np.stack([np.asarray(Image.open(path)) for path in sys.argv[2:]]))
"""


@pytest.fixture(scope="module")
def loaded(services, first_model, tmp_path_factory):
    """Photographs of exactly the model's size, what Python makes of them, and what fishid does."""
    folder = tmp_path_factory.mktemp("registered")
    size = services.get("/model").json()["preprocessing"]
    paths = []
    for i, photo in enumerate(first_model.photos[::5]):
        paths.append(folder / f"{i}.png")
        image = Image.open(io.BytesIO(photo)).convert("RGB")
        image.resize((size["width"], size["height"])).save(paths[-1])
    pixels = folder / "pixels.npy"
    subprocess.run([services.python, "-c", SAVE_PIXELS, pixels, *paths], check=True, timeout=60)
    command = [services.python, SCRIPT, NAME, "production", pixels, folder / "bundle"]
    done = subprocess.run(
        command, env=python_environment(services), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    result["paths"] = paths
    result["fishid"] = services.fishid.ok("predict", folder / "bundle", *paths, "--json").json_lines()
    manifest = json.loads((folder / "bundle" / "fishid.json").read_text())
    result["classes"] = [entry["slug"] for entry in manifest["classes"]]
    return result


def python_environment(services) -> dict[str, str]:
    """As in an activated environment: `mlflow models serve` looks for uvicorn in the PATH."""
    path = f"{Path(services.python).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {
        "MLFLOW_TRACKING_URI": services.mlflow,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": path,
    }


def assert_same_answers(loaded, probabilities):
    assert len(probabilities) == len(loaded["fishid"])
    for row, answer in zip(probabilities, loaded["fishid"], strict=True):
        assert abs(sum(row) - 1) < TOLERANCE
        by_class = dict(zip(loaded["classes"], row, strict=True))
        assert max(by_class, key=by_class.get) == answer["top_3_predictions"][0]["class"]
        for prediction in answer["top_3_predictions"]:
            assert abs(by_class[prediction["class"]] - prediction["probability"]) < TOLERANCE


def test_onnx_and_pyfunc_give_the_answers_of_fishid_predict(loaded):
    assert_same_answers(loaded, loaded["onnx"])
    assert_same_answers(loaded, loaded["pyfunc"])
    assert {"probabilities", "logits"} <= set(loaded["outputs"])


def test_mlflow_models_serve_gives_the_answers_of_fishid_predict(services, loaded, tmp_path):
    port = free_port()
    command = [services.python, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
    command += ["--model-uri", f"models:/{NAME}@production", "--host", "127.0.0.1", "--port", str(port)]
    log = tmp_path / "serve.log"
    started = time.monotonic()
    with log.open("w") as output:
        server = subprocess.Popen(
            command, env=python_environment(services), stdout=output, stderr=output, start_new_session=True
        )
    try:

        def answers():
            assert server.poll() is None, log.read_text()
            try:
                return requests.get(f"http://127.0.0.1:{port}/ping", timeout=5).status_code == 200
            except requests.ConnectionError:
                return False

        wait_until(answers, 120, "mlflow models serve")
        print(f"mlflow models serve: ready after {time.monotonic() - started:.1f} s")
        photos = [Image.open(path) for path in loaded["paths"][:2]]
        pixels = [
            [[list(photo.getpixel((x, y))) for x in range(photo.width)] for y in range(photo.height)]
            for photo in photos
        ]
        reply = requests.post(
            f"http://127.0.0.1:{port}/invocations", json={"inputs": {"image": pixels}}, timeout=60
        )
        assert reply.status_code == 200, reply.text
        first_two = loaded | {"fishid": loaded["fishid"][:2]}
        assert_same_answers(first_two, reply.json()["predictions"]["probabilities"])
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def test_the_client_shows_version_and_run_as_mlflows_users_expect(services, first_model, loaded):
    version, run = loaded["version"], loaded["run"]
    size = services.get("/model").json()["preprocessing"]
    (image,) = json.loads(loaded["signature"]["inputs"])
    assert (image["name"], image["tensor-spec"]) == (
        "image",
        {"dtype": "uint8", "shape": [-1, size["height"], size["width"], 3]},
    )
    outputs = {output["name"]: output["tensor-spec"] for output in json.loads(loaded["signature"]["outputs"])}
    assert outputs["probabilities"] == {"dtype": "float32", "shape": [-1, len(loaded["classes"])]}
    assert loaded["input_example"] == {"image": ["uint8", 1, size["height"], size["width"], 3]}
    assert abs(sum(loaded["example_probabilities"][0]) - 1) < TOLERANCE

    assert version["version"] == loaded["model"]["aliases"]["production"]
    assert version["stage"] == "Production"
    assert version["description"]
    assert loaded["model"]["description"]
    for tag in ("bundle_digest", "model_digest", "backbone", "weights", "seed", "gate"):
        assert version["tags"].get(tag), f"{tag} among {version['tags']}"

    assert run["status"] == "FINISHED"
    for tag in ("bundle_digest", "data_digest", "backbone", "seed", "code_version"):
        assert run["tags"].get(tag), f"{tag} among {run['tags']}"
    assert run["params"]["n_classes"] == str(len(loaded["classes"]))
    assert any("macro_f1" in name for name in run["metrics"])
    assert len(set(run["loss_steps"])) > 1, "the loss is there for every epoch"
    for file in ("report.html", "model_card.md"):
        assert any(path.endswith(file) for path in run["artifacts"]), run["artifacts"]
    for file in ("MLmodel", "model.onnx", "fishid.json"):
        assert any(path.endswith(file) for path in run["artifacts"]), run["artifacts"]
