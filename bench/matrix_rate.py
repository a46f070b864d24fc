"""How fast this machine multiplies matrices, by the library that the networks run on; as JSON.

`python bench/matrix_rate.py [SECONDS]` (with bench/requirements.txt). Products of 2048 × 2048 matrices in
OpenVINO, all cores, in f32 and in bf16: no network can be faster than its operations divided by this.
"""

import json
import sys
import time

import numpy as np
import openvino
from openvino import opset8

SIDE = 2048


def rate(precision: str, seconds: float) -> float:
    """Operations per second, of the fastest of the products: what the processor can do when left alone."""
    draw = np.random.default_rng(0)
    left = opset8.parameter([SIDE, SIDE], np.float32)
    right = opset8.constant(draw.random((SIDE, SIDE), np.float32))
    model = openvino.Model([opset8.matmul(left, right, False, False)], [left])
    compiled = openvino.Core().compile_model(
        model, "CPU", {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    )
    request = compiled.create_infer_request()
    value = draw.random((SIDE, SIDE), np.float32)
    request.infer({0: value})
    fastest, until = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < until:
        started = time.perf_counter()
        request.infer(share_inputs=True, share_outputs=True)
        fastest = min(fastest, time.perf_counter() - started)
    return 2 * SIDE**3 / fastest


if __name__ == "__main__":
    given = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    print(json.dumps({precision: rate(precision, given) for precision in ("f32", "bf16")}))
