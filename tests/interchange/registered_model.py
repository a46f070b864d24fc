"""Loads a registered model as MLflow's users do and prints what they get, as one line of JSON.

    MLFLOW_TRACKING_URI=http://… python tests/interchange/registered_model.py NAME ALIAS PIXELS.npy FOLDER

PIXELS.npy holds uint8 [n, H, W, 3]. Printed: the probabilities by `mlflow.onnx` and `mlflow.pyfunc`
from `models:/NAME@ALIAS`, and what `MlflowClient` shows of the version and its run. The version's files
are downloaded into FOLDER.
"""

import json
import sys
from pathlib import Path

import mlflow
import mlflow.onnx
import mlflow.pyfunc
import numpy as np
import onnxruntime
from mlflow import MlflowClient


def artifacts(client: MlflowClient, run_id: str, folder: str = "") -> list[str]:
    paths = []
    for entry in client.list_artifacts(run_id, folder or None):
        paths += artifacts(client, run_id, entry.path) if entry.is_dir else [entry.path]
    return sorted(paths)


def main() -> None:
    name, alias, pixels_file, folder = sys.argv[1:]
    uri = f"models:/{name}@{alias}"
    pixels = np.load(pixels_file)

    graph = mlflow.onnx.load_model(uri)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    by_onnx = session.run(["probabilities"], {"image": pixels})[0]
    model = mlflow.pyfunc.load_model(uri)
    answer = model.predict({"image": pixels})
    if not isinstance(answer, dict):
        sys.exit(f"pyfunc answers with {type(answer)}, not with a dict")
    example = model.input_example

    client = MlflowClient()
    version = client.get_model_version_by_alias(name, alias)
    registered = client.get_registered_model(name)
    run = client.get_run(version.run_id)
    metric = next(iter(key for key in run.data.metrics if "loss" in key), None)
    signature = mlflow.models.get_model_info(uri).signature
    mlflow.artifacts.download_artifacts(uri, dst_path=folder)
    print(
        json.dumps(
            {
                "onnx": by_onnx.tolist(),
                "pyfunc": answer["probabilities"].tolist(),
                "outputs": sorted(answer),
                "signature": signature.to_dict(),
                "input_example": {key: [str(v.dtype), *v.shape] for key, v in (example or {}).items()},
                "example_probabilities": (
                    model.predict(example)["probabilities"].tolist() if example else None
                ),
                "version": {
                    "version": version.version,
                    "description": version.description,
                    "tags": version.tags,
                    "stage": version.current_stage,
                    "source": version.source,
                },
                "model": {
                    "description": registered.description,
                    "tags": registered.tags,
                    "aliases": registered.aliases,
                },
                "run": {
                    "status": run.info.status,
                    "name": run.info.run_name,
                    "params": run.data.params,
                    "metrics": run.data.metrics,
                    "tags": run.data.tags,
                    "artifacts": artifacts(client, version.run_id),
                    "loss_steps": (
                        [point.step for point in client.get_metric_history(version.run_id, metric)]
                        if metric
                        else []
                    ),
                },
                "mlflow": mlflow.__version__,
                "files": sorted(
                    p.relative_to(folder).as_posix() for p in Path(folder).rglob("*") if p.is_file()
                ),
            }
        )
    )


if __name__ == "__main__":
    main()
