"""fishid's ONNX graph against timm's own export of the same weights, in the same ONNX Runtime.

Both sessions live in one process and take turns; a ratio below 1 means that fishid's graph is the faster
one. `torch_graph.py --writer PATH` where PATH is the built `write_graph` of this folder.
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
    # Threads that spin while they wait would be counted as processor time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Ours has a symbolic batch; fishid's engine pins it likewise.
    options.add_free_dimension_override_by_name("n", 1)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def milliseconds(model, images):
    """On the clock, and of the processor: the latter hardly depends on what else the machine does."""
    started, used = time.perf_counter(), time.process_time()
    model.run(None, {"input": images})
    return (time.perf_counter() - started) * 1000, (time.process_time() - used) * 1000


def measure(paths, images, threads, n_pairs):
    ours, theirs = (session(path, threads) for path in paths)
    pairs = []
    for turn in range(n_pairs + 5):
        if turn % 2:
            own, other = milliseconds(ours, images), milliseconds(theirs, images)
        else:
            other, own = milliseconds(theirs, images), milliseconds(ours, images)
        # The first turns warm both up.
        if turn >= 5:
            pairs.append((own, other))
    for kind, name in enumerate(("clock", "processor")):
        own = [pair[0][kind] for pair in pairs]
        other = [pair[1][kind] for pair in pairs]
        ratio = statistics.median(a / b for a, b in zip(own, other, strict=True))
        print(
            f"| {threads} | {name} | {statistics.median(own):.1f} | {statistics.median(other):.1f} "
            f"| {ratio:.3f} | {min(own):.1f} | {min(other):.1f} | {min(own) / min(other):.3f} |"
        )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--writer", required=True)
    parser.add_argument("--architecture", default="tf-efficientnet-b4")
    parser.add_argument("--side", type=int, default=380)
    parser.add_argument("--pairs", type=int, default=60)
    arguments = parser.parse_args()
    images = np.random.default_rng(0).standard_normal((1, 3, arguments.side, arguments.side))
    images = images.astype(np.float32)
    print(
        f"{arguments.architecture}, {arguments.side} px, batch 1, ONNX Runtime "
        f"{onnxruntime.__version__}, milliseconds"
    )
    print("| threads | time | fishid | timm | median of ratios | fishid, least | timm, least | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        paths = export(arguments.architecture, arguments.side, Path(folder), arguments.writer)
        for threads in (2, 1):
            measure(paths, images, threads, arguments.pairs)


if __name__ == "__main__":
    main()
