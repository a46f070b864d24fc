"""fishid's ONNX graph of a network against timm's own export of the same weights, in the same ONNX Runtime.

Both sessions live in one process and take turns; the ratio is the median over pairs, below 1 where fishid's graph
is the faster one. `torch_graph.py --writer PATH` where PATH is the built `write_graph` of this folder.
"""

import argparse
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import timm
import torch
from safetensors.torch import save_file


class Embedder(torch.nn.Module):
    """timm's network with the outputs of fishid's graph."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        features = self.model.forward_features(images)
        return features, self.model.forward_head(features, pre_logits=True)


def export(architecture, side, folder, writer):
    torch.manual_seed(0)
    model = timm.create_model(architecture.replace("-", "_"), num_classes=0, exportable=True)
    model.eval()
    weights = folder / "weights.safetensors"
    save_file(model.state_dict(), weights)
    images = torch.randn(1, 3, side, side)
    theirs = folder / "timm.onnx"
    torch.onnx.export(
        Embedder(model),
        (images,),
        theirs,
        input_names=["input"],
        output_names=["features", "embedding"],
        opset_version=17,
        dynamo=False,
    )
    ours = folder / "fishid.onnx"
    subprocess.run([writer, weights, architecture, ours], check=True)
    return ours, theirs


def session(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Ours has a symbolic batch, which costs planning that a fixed one does not; fishid's engine pins it likewise.
    options.add_free_dimension_override_by_name("n", 1)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def milliseconds(model, images):
    started = time.perf_counter()
    model.run(None, {"input": images})
    return (time.perf_counter() - started) * 1000


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--writer", required=True)
    parser.add_argument("--architecture", default="tf-efficientnet-b4")
    parser.add_argument("--side", type=int, default=380)
    parser.add_argument("--pairs", type=int, default=60)
    arguments = parser.parse_args()
    images = np.random.default_rng(0).standard_normal((1, 3, arguments.side, arguments.side))
    images = images.astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        paths = export(arguments.architecture, arguments.side, Path(folder), arguments.writer)
        print(f"{arguments.architecture}, {arguments.side} px, batch 1, ONNX Runtime {onnxruntime.__version__}")
        print("| threads | fishid, ms | timm, ms | median of fishid / timm | ratio of the fastest |")
        print("|---|---|---|---|---|")
        for threads in (2, 1):
            ours, theirs = (session(path, threads) for path in paths)
            pairs = []
            for turn in range(arguments.pairs + 5):
                if turn % 2:
                    own, other = milliseconds(ours, images), milliseconds(theirs, images)
                else:
                    other, own = milliseconds(theirs, images), milliseconds(ours, images)
                # The first turns warm both up.
                if turn >= 5:
                    pairs.append((own, other))
            own, other = zip(*pairs, strict=True)
            ratio = statistics.median(a / b for a, b in pairs)
            print(
                f"| {threads} | {statistics.median(own):.1f} | {statistics.median(other):.1f} "
                f"| {ratio:.3f} | {min(own) / min(other):.3f} |"
            )


if __name__ == "__main__":
    main()
