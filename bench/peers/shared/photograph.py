"""What every peer does alike: a photograph to the model's pixels with Pillow, probabilities to the reply."""

import io
import json
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

BUNDLE = Path(os.environ["BUNDLE"])
MANIFEST = json.loads((BUNDLE / "fishid.json").read_text())
SIDE = MANIFEST["preprocessing"]["width"]
CLASSES = MANIFEST["classes"]
FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "catmull_rom": Image.Resampling.BICUBIC,
    "lanczos3": Image.Resampling.LANCZOS,
}
FILTER = FILTERS[MANIFEST["preprocessing"]["filter"]]
FIT = MANIFEST["preprocessing"]["fit"]


def pixels(content: bytes, draft: bool = False) -> np.ndarray:
    """uint8 [1, height, width, 3]; `draft` lets the JPEG decoder scale down as far as the size allows."""
    image = Image.open(io.BytesIO(content))
    if draft:
        image.draft("RGB", (SIDE, SIDE))
    image = ImageOps.exif_transpose(image).convert("RGB")
    if image.size != (SIDE, SIDE):
        box = None
        if FIT == "center_crop":
            side = min(image.size)
            left, top = (image.width - side) / 2, (image.height - side) / 2
            box = (left, top, left + side, top + side)
        image = image.resize((SIDE, SIDE), FILTER, box)
    return np.asarray(image)[None]


def answer(probabilities: np.ndarray, **more) -> dict:
    """The reply of `POST /predict`, as far as these servers know it."""
    order = np.argsort(-probabilities)[:3]
    best = CLASSES[order[0]]
    return {
        "predicted_class": best["slug"],
        "predicted_label": best.get("ru") or best["slug"],
        "confidence": round(float(probabilities[order[0]]), 6),
        "top_3_predictions": [
            {"class": CLASSES[i]["slug"], "probability": round(float(probabilities[i]), 6)} for i in order
        ],
        **more,
    }
