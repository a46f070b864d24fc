"""Where the ONNX Runtime library is: inside this package, unless ORT_DYLIB_PATH names another."""

import os
from pathlib import Path

_FOLDER = Path(__file__).parent / "onnxruntime"


def locate():
    """Tells the native half, which looks when it first needs an engine."""
    if not os.environ.get("ORT_DYLIB_PATH"):
        os.environ["ORT_DYLIB_PATH"] = str(_FOLDER)
