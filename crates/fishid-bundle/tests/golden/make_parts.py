"""Writes what is not Rust's to make in tests/golden/v1: a tiny network and four photographs.

The network has the input and the four outputs of a bundle at the smallest useful size: 8 x 8
pixels, three classes, every weight written out. Everything else in v1 was written by
`fishid_bundle::write` from these files and the manifest in tests/bundle/parts.rs.

    python make_parts.py        # needs numpy, onnx and onnxruntime, see requirements.txt in v1

v1 is kept for ever; a new format version gets a folder of its own.
"""

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HEIGHT, WIDTH, CLASSES, TEMPERATURE = 8, 8, 3, 1.25
FOLDER = Path(__file__).parent / "v1"


def network() -> onnx.ModelProto:
    weights = np.array([[2.0, -1.0, -1.0], [-1.0, 2.0, -1.0], [-1.0, -1.0, 2.0]], np.float32)
    bias = np.array([0.25, 0.0, -0.25], np.float32)
    constants = {
        "scale": np.array(1 / 64, np.float32),
        "weights": weights.reshape(CLASSES, 3, 1, 1),
        "weights_by_input": weights.T.copy(),
        "bias": bias,
        "temperature": np.array(TEMPERATURE, np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float_image"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float_image", "scale"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["features"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["embedding"]),
        helper.make_node("Conv", ["features", "weights"], ["activation"]),
        helper.make_node("Gemm", ["embedding", "weights_by_input", "bias"], ["logits"]),
        helper.make_node("Div", ["logits", "temperature"], ["calibrated"]),
        helper.make_node("Softmax", ["calibrated"], ["probabilities"], axis=1),
    ]
    outputs = {
        "probabilities": ["n", CLASSES],
        "logits": ["n", CLASSES],
        "embedding": ["n", 3],
        "activation": ["n", CLASSES, 2, 2],
    }
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", HEIGHT, WIDTH, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="fishid")
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


def png(pixels: np.ndarray) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


def main() -> None:
    (FOLDER / "golden").mkdir(parents=True, exist_ok=True)
    path = FOLDER / "model.onnx"
    path.write_bytes(network().SerializeToString(deterministic=True))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    ramp = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH)).astype(np.uint8)
    for index, tint in enumerate([(12, 4, 4), (4, 12, 4), (4, 4, 12), (8, 8, 8)]):
        pixels = (ramp[..., None] * np.array(tint, np.uint8)).astype(np.uint8)
        (FOLDER / "golden" / f"photo_{index:02}.png").write_bytes(png(pixels))
        (probabilities,) = session.run(["probabilities"], {"image": pixels[None]})
        print(index, json.dumps([float(str(value)) for value in probabilities[0]]))


if __name__ == "__main__":
    main()
