"""A classifier as another program makes one: written with the Python package onnx, saved by mlflow.onnx.

    pip install -r stack/requirements.txt
    python tests/interchange/foreign_classifier.py save BACKBONE.onnx BUNDLE OUT [--nhwc] [--softmax]
    MLFLOW_TRACKING_URI=http://… python tests/interchange/foreign_classifier.py save … --register NAME
    python tests/interchange/foreign_classifier.py answer MODEL.onnx SIDECAR.json PIXELS...

`save` puts the head of a fishid bundle on the backbone, with float pixels in, and writes OUT as an MLflow
model: signature, weights in a file of their own, class names in the metadata with --classes; with --register
it logs the same to a server, as a version with the alias `trained`. `answer` feeds files of raw RGB bytes
(height x width x 3) to the model with ONNX Runtime and prints a list of class probabilities for each.
"""

import argparse
import json
from pathlib import Path

import mlflow
import mlflow.onnx
import numpy as np
import onnx
import onnxruntime
from mlflow.models import infer_signature
from onnx import TensorProto, helper, numpy_helper


def head_of(bundle: Path) -> tuple[np.ndarray, np.ndarray]:
    graph = onnx.load(bundle / "model.onnx").graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    gemm = [node for node in graph.node if node.op_type == "Gemm"][-1]
    return weights[gemm.input[1]], weights[gemm.input[2]]


def classifier(backbone: Path, bundle: Path, nhwc: bool, softmax: bool) -> onnx.ModelProto:
    model = onnx.load(backbone)
    graph = model.graph
    matrix, bias = head_of(bundle)
    graph.initializer.extend(
        [numpy_helper.from_array(matrix, "head.weight"), numpy_helper.from_array(bias, "head.bias")]
    )
    scores = "before_softmax" if softmax else "scores"
    graph.node.append(helper.make_node("Gemm", ["embedding", "head.weight", "head.bias"], [scores], transB=1))
    if softmax:
        graph.node.append(helper.make_node("Softmax", [scores], ["scores"], axis=-1))
    if nhwc:
        height, width = (side.dim_value for side in graph.input[0].type.tensor_type.shape.dim[2:])
        name = graph.input[0].name
        del graph.input[:]
        graph.input.append(helper.make_tensor_value_info("photo", TensorProto.FLOAT, ["n", height, width, 3]))
        graph.node.insert(0, helper.make_node("Transpose", ["photo"], [name], perm=[0, 3, 1, 2]))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", len(bias)]))
    onnx.checker.check_model(model)
    return model


def save(arguments) -> None:
    def made():
        return classifier(arguments.backbone, arguments.bundle, arguments.nhwc, arguments.softmax)

    model = made()
    sides = [side.dim_value or 1 for side in model.graph.input[0].type.tensor_type.shape.dim]
    classes = [
        entry["slug"] for entry in json.loads((arguments.bundle / "fishid.json").read_text())["classes"]
    ]
    signature = infer_signature(np.zeros(sides, np.float32), np.zeros((1, len(classes)), np.float32))
    metadata = {"classes": classes} if arguments.classes else None
    mlflow.onnx.save_model(model, str(arguments.out), signature=signature, metadata=metadata)
    if arguments.register:
        with mlflow.start_run():
            # Made again: saving moves the weights of the one in memory out into its file.
            logged = mlflow.onnx.log_model(
                made(),
                name="model",
                signature=signature,
                metadata=metadata,
                registered_model_name=arguments.register,
            )
        client = mlflow.MlflowClient()
        client.set_registered_model_alias(arguments.register, "trained", str(logged.registered_model_version))
    print(json.dumps(classes))


def answer(arguments) -> None:
    described = json.loads(arguments.sidecar.read_text())["input"]
    session = onnxruntime.InferenceSession(str(arguments.model), providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    softmax = onnx.load(arguments.model, load_external_data=False).graph.node[-1].op_type == "Softmax"
    height, width = described["size"]
    answers = []
    for file in arguments.pixels:
        photo = np.fromfile(file, np.uint8).reshape(height, width, 3).astype(np.float32)
        photo = (photo * described["scale"] - np.float32(described["mean"])) / np.float32(described["std"])
        if entry.shape[-1] != 3:
            photo = photo.transpose(2, 0, 1)
        scores = session.run(None, {entry.name: photo[np.newaxis].astype(np.float32)})[0][0].astype(
            np.float64
        )
        if not softmax:
            scores = np.exp(scores - scores.max())
            scores /= scores.sum()
        answers.append(scores.tolist())
    print(json.dumps(answers))


def main() -> None:
    parser = argparse.ArgumentParser(description="Make and ask a classifier of another program.")
    commands = parser.add_subparsers(required=True)
    saving = commands.add_parser("save")
    saving.add_argument("backbone", type=Path)
    saving.add_argument("bundle", type=Path)
    saving.add_argument("out", type=Path)
    saving.add_argument("--nhwc", action="store_true", help="channels last")
    saving.add_argument("--softmax", action="store_true", help="probabilities instead of logits")
    saving.add_argument("--classes", action="store_true", help="name the classes in the metadata")
    saving.add_argument("--register", metavar="NAME", help="log and register it on a server too")
    saving.set_defaults(run=save)
    answering = commands.add_parser("answer")
    answering.add_argument("model", type=Path)
    answering.add_argument("sidecar", type=Path)
    answering.add_argument("pixels", type=Path, nargs="+")
    answering.set_defaults(run=answer)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
