"""Takes the weights out of a bundle's `model.onnx`, in the order in which the network uses them.

`python bench/graph_weights.py BUNDLE OUT.npz` (with bench/requirements.txt). Every array is a kernel or a
bias of the graph itself, normalisation folded in, so whoever builds the network from them has the very
numbers that fishid serves.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper


def main(bundle: Path, out: Path):
    graph = onnx.load(bundle / "model.onnx").graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}

    def first(kind: str, value: str | None = None):
        return next(
            node for node in graph.node if node.op_type == kind and (value is None or node.input[0] == value)
        )

    head = first("Gemm")
    inverse = first("Mul", head.output[0])
    # A convolution behind the head draws the activation map and takes no part in the answer.
    nodes = list(graph.node)
    convolutions = [node for node in nodes[: nodes.index(head)] if node.op_type == "Conv"]
    arrays = {
        "pixel_scale": constants[first("Mul").input[1]].ravel(),
        "pixel_shift": constants[first("Add").input[1]].ravel(),
        "head_kernel": constants[head.input[1]].T,
        "head_bias": constants[head.input[2]],
        "inverse_temperature": constants[inverse.input[1]].ravel(),
    }
    for number, node in enumerate(convolutions):
        arrays[f"kernel_{number:03}"] = constants[node.input[1]]
        arrays[f"bias_{number:03}"] = constants[node.input[2]]
    np.savez(out, **arrays)
    print(f"{len(convolutions)} convolutions, {len(arrays['head_bias'])} classes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
