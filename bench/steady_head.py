"""Gives a bundle on random weights a head whose answers differ between photographs and stay put in bf16.

`python bench/steady_head.py BUNDLE FISH OUT` (with bench/requirements.txt). A trained network tells
photographs apart far more strongly than bf16 rounds; one with random weights does not, and most heads on it
answer otherwise in bf16 than in f32. So the head is put on those directions of the embedding in which
photographs differ most and rounding does least. The golden photographs are chosen anew, none of them on the
edge between two classes. Only the head's numbers change: the work per photograph is the same.
"""

import hashlib
import io
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import openvino
from onnx import numpy_helper
from PIL import Image

# Directions looked at, directions used, spread of the logits; of the golden photographs: how many, the
# least lead of the first class, the largest difference to bf16.
N_SEEN, N_USED, SPREAD, N_GOLDEN, LEAD, MOST_ROUNDING = 40, 3, 0.75, 32, 0.05, 0.012


def prepared(path: Path, side: int) -> bytes:
    """A JPEG of the model's size with colour in full, which every decoder gives the same pixels for."""
    image = Image.open(path).convert("RGB")
    square = min(image.size)
    left, top = (image.width - square) / 2, (image.height - square) / 2
    box = (left, top, left + square, top + square)
    image = image.resize((side, side), Image.Resampling.BICUBIC, box)
    content = io.BytesIO()
    image.save(content, "JPEG", quality=90, subsampling=0)
    return content.getvalue()


def embeddings(model: Path, photographs: list[bytes], precision: str) -> np.ndarray:
    core = openvino.Core()
    network = core.read_model(model)
    pixels = [np.asarray(Image.open(io.BytesIO(content)))[None] for content in photographs]
    network.reshape(pixels[0].shape)
    compiled = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    return np.concatenate([compiled(image)["embedding"] for image in pixels])


def directions(exact: np.ndarray, rounded: np.ndarray) -> np.ndarray:
    """[embedding width, N_USED], each of spread 1 over the photographs: the largest signal per noise."""
    centred = exact - exact.mean(0)
    main = np.linalg.svd(centred, full_matrices=False)[2][: min(N_SEEN, len(exact) // 2)].T
    signal, noise = centred @ main, (rounded - exact) @ main
    noise = noise.T @ noise / len(exact)
    # A floor, so that a direction without noise by chance is not taken for one without noise.
    noise += (0.05 * np.trace(noise) / len(noise) + 1e-9) * np.eye(len(noise))
    whiten = np.linalg.inv(np.linalg.cholesky(noise))
    order = np.linalg.eigh(whiten @ (signal.T @ signal) @ whiten.T)[1][:, ::-1]
    chosen = main @ whiten.T @ order[:, :N_USED]
    return chosen / (centred @ chosen).std(0)


def probabilities(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def main(bundle: Path, fish: Path, out: Path):
    manifest = json.loads((bundle / "fishid.json").read_text())
    n_classes, side = len(manifest["classes"]), manifest["preprocessing"]["width"]
    photographs = [prepared(path, side) for path in sorted(fish.glob("*/*.jpg"))]
    exact, rounded = (embeddings(bundle / "model.onnx", photographs, name) for name in ("f32", "bf16"))

    chosen = directions(exact, rounded)
    mix = np.linalg.qr(np.random.default_rng(0).normal(size=(n_classes, n_classes)))[0][:N_USED]
    weights = (SPREAD * np.sqrt(n_classes / N_USED) * chosen @ mix).T
    bias = -weights @ exact.mean(0)
    expected = probabilities(exact @ weights.T + bias)
    answered = probabilities(rounded @ weights.T + bias)
    print(f"spread of a probability {expected.std(0).mean():.3f}, ", end="")
    print(f"largest difference to bf16 {abs(expected - answered).max():.4f}")

    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(bundle, part)
    temperature = manifest["calibration"]["temperature"]
    put_head(part / "model.onnx", weights * temperature, bias * temperature)
    put_golden(part / "golden", manifest, photographs, expected, abs(expected - answered).max(1))
    part.rename(out)


def put_head(path: Path, weights: np.ndarray, bias: np.ndarray):
    model = onnx.load(path)
    gemm = next(node for node in model.graph.node if node.op_type == "Gemm")
    # The activation map is drawn with the same numbers.
    nodes = list(model.graph.node)
    map_node = next(node for node in nodes[nodes.index(gemm) :] if node.op_type == "Conv")
    new = {gemm.input[1]: weights, gemm.input[2]: bias, map_node.input[1]: weights, map_node.input[2]: bias}
    for tensor in model.graph.initializer:
        if tensor.name in new:
            values = new[tensor.name].astype(np.float32).reshape(tensor.dims)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save(model, path)


def put_golden(
    folder: Path, manifest: dict, photographs: list[bytes], expected: np.ndarray, rounding: np.ndarray
):
    shutil.rmtree(folder)
    folder.mkdir()
    in_order = np.sort(expected, axis=1)
    lead = in_order[:, -1] - in_order[:, -2]
    clear = [i for i in range(len(expected)) if lead[i] > LEAD and rounding[i] < MOST_ROUNDING]
    chosen = clear[:: max(1, len(clear) // N_GOLDEN)][:N_GOLDEN]
    entries = []
    for number, i in enumerate(chosen):
        name = f"{number:02}.jpg"
        (folder / name).write_bytes(photographs[i])
        digest = hashlib.sha256(photographs[i]).hexdigest()
        values = [float(f"{value:.8g}") for value in expected[i]]
        entries.append({"file": name, "sha256": digest, "probabilities": values})
    slugs = [entry["slug"] for entry in manifest["classes"]]
    (folder / "expected.json").write_text(json.dumps({"classes": slugs, "photographs": entries}, indent=1))
    print(f"{len(chosen)} golden photographs, {sum(len(photographs[i]) for i in chosen)} bytes")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
