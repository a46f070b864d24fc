"""Loads a bundle the way MLflow's users do, and checks that it answers as the bundle promises.

    pip install -r stack/requirements.txt
    python tests/interchange/load_bundle.py BUNDLE [--bundle-digest HEX] [--model-digest HEX]

Checked: `mlflow.onnx` and `mlflow.pyfunc` both load the folder and agree with ONNX Runtime; the
outputs have the names, types and shapes of fishid.json for any batch; probabilities sum to 1; the
signature refuses another type or size; both digests, computed here from their description in
crates/fishid-bundle/FORMAT.md, are those the caller was given. Exit status 1 names what differs.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import mlflow.onnx
import mlflow.pyfunc
import numpy as np
import onnxruntime
from mlflow.exceptions import MlflowException


def fail(message: str) -> None:
    sys.exit(f"load_bundle: {message}")


def bundle_digest(folder: Path) -> str:
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    files.sort(key=lambda path: path.encode())
    lines = (f"{hashlib.sha256((folder / path).read_bytes()).hexdigest()}  {path}\n" for path in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def model_digest(folder: Path, manifest: dict) -> str:
    sections = {name: manifest[name] for name in ("calibration", "classes", "outputs", "preprocessing")}
    sections["model_onnx"] = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    text = json.dumps(sections, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def check_outputs(answer: dict, manifest: dict, n: int, loader: str) -> None:
    expected = {output["name"]: [n, *output["shape"][1:]] for output in manifest["outputs"]}
    if set(answer) != set(expected):
        fail(f"{loader} gives {sorted(answer)}, fishid.json promises {sorted(expected)}")
    for name, shape in expected.items():
        if answer[name].dtype != np.float32 or list(answer[name].shape) != shape:
            fail(f"{loader}: {name} is {answer[name].dtype} {answer[name].shape}, promised float32 {shape}")
    sums = answer["probabilities"].sum(axis=1)
    if not np.allclose(sums, 1, atol=1e-5):
        fail(f"{loader}: probabilities sum to {sums}")
    logits = answer["logits"] / manifest["calibration"]["temperature"]
    softmax = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax /= softmax.sum(axis=1, keepdims=True)
    if not np.allclose(softmax, answer["probabilities"], atol=1e-5):
        fail(f"{loader}: probabilities are not the softmax of the logits over the temperature")


def check_refused(model, pixels: np.ndarray, what: str) -> None:
    try:
        model.predict({"image": pixels})
    except MlflowException:
        return
    fail(f"the signature lets {what} through")


def main() -> None:
    parser = argparse.ArgumentParser(description="Load a bundle with MLflow and check its answers.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--bundle-digest", help="fail unless the bundle digest is this one")
    parser.add_argument("--model-digest", help="fail unless the model digest is this one")
    arguments = parser.parse_args()
    folder = arguments.bundle
    manifest = json.loads((folder / "fishid.json").read_text(encoding="utf-8"))

    digests = {"bundle": bundle_digest(folder), "model": model_digest(folder, manifest)}
    for kind, wanted in (("bundle", arguments.bundle_digest), ("model", arguments.model_digest)):
        if wanted and wanted != digests[kind]:
            fail(f"the {kind} digest is {digests[kind]}, not {wanted}")

    by_onnx = mlflow.onnx.load_model(str(folder))
    session = onnxruntime.InferenceSession(by_onnx.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    by_pyfunc = mlflow.pyfunc.load_model(str(folder))

    size = manifest["preprocessing"]
    height, width = size["height"], size["width"]
    pixels = np.random.default_rng(0).integers(0, 256, (3, height, width, 3), dtype=np.uint8)
    for n in (1, 3):
        direct = dict(zip(names, session.run(None, {"image": pixels[:n]}), strict=True))
        check_outputs(direct, manifest, n, "mlflow.onnx")
        for argument in (pixels[:n], {"image": pixels[:n]}):
            answer = by_pyfunc.predict(argument)
            check_outputs(answer, manifest, n, "mlflow.pyfunc")
            for name in names:
                if not np.allclose(direct[name], answer[name], rtol=1e-4, atol=1e-5):
                    fail(f"mlflow.pyfunc and ONNX Runtime differ in {name}")
    check_refused(by_pyfunc, pixels.astype(np.float32), "float32 pixels")
    check_refused(by_pyfunc, pixels.astype(np.int32), "int32 pixels")
    check_refused(by_pyfunc, np.zeros((1, height + 1, width, 3), np.uint8), "another height")

    print(json.dumps({"mlflow": mlflow.__version__, "outputs": names, "digests": digests}))


if __name__ == "__main__":
    main()
