"""Do all servers answer alike? Asked before anything is timed; a server that answers otherwise ends the run.

The reference is OpenVINO in f32 over the bundle's own graph and Pillow's pixels. Lossless photographs of
the model's size leave no room for decoders and filters; on the others a server may decode at a fraction of
the size and resize differently.
"""

import json
import os
import urllib.request
from pathlib import Path

import numpy as np
import openvino

# Largest difference of a probability: same pixels in f32, same pixels in bf16, whole photographs.
SAME_PIXELS, SAME_PIXELS_BF16, PHOTOGRAPHS = 0.001, 0.03, 0.05
SETS = {"pixels": 12, "1mp": 8, "12mp": 4}


class Reference:
    """What every photograph should be answered with."""

    def __init__(self, tools):
        os.environ["BUNDLE"] = str(tools.bundle)
        # The peers' own module, so that it is theirs that is compared.
        from photograph import CLASSES, pixels

        self.classes = [entry["slug"] for entry in CLASSES]
        network = openvino.Core().read_model(tools.bundle / "model.onnx")
        network.reshape([1, 380, 380, 3])
        compiled = openvino.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self.expected = {}
        for folder, n in SETS.items():
            for path in sorted((tools.photographs / folder).glob("*"))[:n]:
                content = path.read_bytes()
                self.expected[path] = compiled(pixels(content))["probabilities"][0]
        values = np.array(list(self.expected.values()))
        self.spread = float(values.std(0).mean())

    def compare(self, server) -> dict:
        """The largest difference in each set; ends the program where it is too large."""
        largest = {}
        for path, expected in self.expected.items():
            folder = path.parent.name
            reply = ask(server.host, path)
            allowed = PHOTOGRAPHS
            if folder == "pixels":
                allowed = SAME_PIXELS if server.plan.is_exact else SAME_PIXELS_BF16
            answered = {entry["class"]: entry["probability"] for entry in reply["top_3_predictions"]}
            difference = max(
                abs(float(expected[self.classes.index(name)]) - probability)
                for name, probability in answered.items()
            )
            lead = float(expected.max()) - float(expected[self.classes.index(reply["predicted_class"])])
            if difference > allowed or lead > 2 * allowed:
                raise SystemExit(
                    f"{server.plan.title} answers {folder}/{path.name} with {answered}, expected were "
                    f"{dict(zip(self.classes, expected.round(4).tolist(), strict=True))}: nothing was timed"
                )
            largest[folder] = max(largest.get(folder, 0.0), difference)
        return largest


def ask(host: str, path: Path) -> dict:
    boundary = "fishid-bench-agreement"
    kind = "image/png" if path.suffix == ".png" else "image/jpeg"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
        f"Content-Type: {kind}\r\n\r\n"
    )
    body = head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    request = urllib.request.Request(
        f"http://{host}/predict", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)
