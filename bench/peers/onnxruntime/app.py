"""FastAPI + ONNX Runtime (f32, its default CPU provider) + Pillow."""

import os

import numpy as np
import onnxruntime
from photograph import BUNDLE, SIDE, answer, pixels
from web import application

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(os.environ.get("PEER_THREADS", "2"))
options.add_free_dimension_override_by_name("n", 1)
session = onnxruntime.InferenceSession(BUNDLE / "model.onnx", options, ["CPUExecutionProvider"])
session.run(["probabilities"], {"image": np.zeros((1, SIDE, SIDE, 3), np.uint8)})


def predict(content: bytes) -> dict:
    return answer(session.run(["probabilities"], {"image": pixels(content)})[0][0])


app = application(predict)
