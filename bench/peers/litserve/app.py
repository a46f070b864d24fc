"""LitServe + ONNX Runtime + Pillow: the server's own process for HTTP, a worker process for the model."""

import os

import litserve
import numpy as np
import onnxruntime
from photograph import BUNDLE, SIDE, answer, pixels
from starlette.formparsers import MultiPartParser

MultiPartParser.spool_max_size = 16 << 20


class Fish(litserve.LitAPI):
    def setup(self, device):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ.get("PEER_THREADS", "2"))
        options.add_free_dimension_override_by_name("n", 1)
        self.session = onnxruntime.InferenceSession(BUNDLE / "model.onnx", options, ["CPUExecutionProvider"])
        self.session.run(["probabilities"], {"image": np.zeros((1, SIDE, SIDE, 3), np.uint8)})

    def decode_request(self, request):
        return pixels(request["file"].file.read())

    def predict(self, image):
        return self.session.run(["probabilities"], {"image": image})[0][0]

    def encode_response(self, probabilities):
        return answer(probabilities)


if __name__ == "__main__":
    server = litserve.LitServer(
        Fish(),
        accelerator="cpu",
        workers_per_device=int(os.environ.get("PEER_WORKERS", "1")),
        timeout=120,
    )
    server.run(
        host="127.0.0.1", port=int(os.environ["PORT"]), generate_client_file=False, log_level="warning"
    )
