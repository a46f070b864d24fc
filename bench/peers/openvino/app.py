"""FastAPI + ONNX Runtime's OpenVINO provider in bf16 + Pillow with `draft`: the best that Python offers."""

import json
import os

import numpy as np
import onnxruntime
from photograph import BUNDLE, SIDE, answer, pixels
from web import application

properties = {
    "INFERENCE_NUM_THREADS": int(os.environ.get("PEER_THREADS", "2")),
    "NUM_STREAMS": int(os.environ.get("PEER_STREAMS", "1")),
    "PERFORMANCE_HINT": "LATENCY",
    "INFERENCE_PRECISION_HINT": os.environ.get("PEER_PRECISION", "bf16"),
}
options = onnxruntime.SessionOptions()
options.add_free_dimension_override_by_name("n", 1)
provider = (
    "OpenVINOExecutionProvider",
    {"device_type": "CPU", "load_config": json.dumps({"CPU": properties})},
)
session = onnxruntime.InferenceSession(BUNDLE / "model.onnx", options, [provider])
# Where the provider refuses its settings it falls back to f32 on the CPU without a word.
assert session.get_providers()[0] == "OpenVINOExecutionProvider", session.get_providers()
session.run(["probabilities"], {"image": np.zeros((1, SIDE, SIDE, 3), np.uint8)})


def predict(content: bytes) -> dict:
    return answer(session.run(["probabilities"], {"image": pixels(content, draft=True)})[0][0])


app = application(predict)
