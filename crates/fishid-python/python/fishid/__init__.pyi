import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

Photo = str | bytes | os.PathLike[str]
Rows = pa.RecordBatch | pa.Table
Validation = tuple[np.ndarray, Sequence[int]] | tuple[np.ndarray, Sequence[int], Sequence[str] | None]

__version__: str
EMBED_SCHEMA: str
INSPECT_SCHEMA: str
KEEP_SCHEMA: str
LABEL_SCHEMA: str

class FishidError(Exception): ...
class InputError(FishidError, ValueError): ...

class TrainingRun:
    n_photographs: int
    listing_digest: str
    spec: str
    backbone_files: list[str]
    n_views_there: int | None
    n_views_missing: int | None
    def __init__(
        self,
        data: str,
        *,
        registry: str | None = None,
        model: str | None = None,
        backbone: str | None = None,
        weights: str | None = None,
        views: int | None = None,
        epochs: int | None = None,
        seed: int | None = None,
        fit: str | None = None,
        group_column: str = "group",
        allow_class_change: bool = False,
        work: str | None = None,
    ) -> None: ...
    def photographs(self) -> pa.Table: ...
    def plan(self, inspections: Rows) -> pa.Table: ...
    def quarantine(self) -> pa.Table: ...
    def finish(self, *, force: bool = False) -> dict[str, Any]: ...

class Bundle:
    manifest: dict[str, Any]
    model_digest: str
    classes: list[str]
    width: int
    height: int
    def __init__(self, folder: str | os.PathLike[str], *, threads: int | None = None) -> None: ...
    def predict(self, photo: Photo, lang: str = "ru") -> dict[str, Any]: ...
    def probabilities(self, photo: Photo) -> np.ndarray: ...
    def probabilities_of_pixels(self, pixels: np.ndarray) -> np.ndarray: ...
    def load_pixels(self, photo: Photo) -> np.ndarray: ...

def inspect(batch: Rows, spec: str, *, threads: int | None = None) -> pa.RecordBatch: ...
def embed(
    batch: Rows, spec: str, *, backbone: str, threads: int | None = None, keep: bool = False
) -> pa.RecordBatch: ...
def label(
    batch: Rows, data: str, *, bundle: str, threads: int | None = None, lang: str = "ru"
) -> pa.RecordBatch: ...
def load_bundle(folder: str | os.PathLike[str], *, threads: int | None = None) -> Bundle: ...
def load_pixels(
    photo: Photo, *, width: int, height: int, fit: str = "center_crop", filter: str = "bilinear"
) -> np.ndarray: ...
def check_dataset(data: str, *, group_column: str = "group") -> dict[str, Any]: ...
def list_photographs(data: str) -> pa.Table: ...
def list_files(place: str) -> pa.Table: ...
def upload(folder: str, to: str) -> dict[str, int]: ...
def download(place: str, folder: str) -> dict[str, int]: ...
def read_file(place: str, name: str) -> bytes | None: ...
def write_file(place: str, name: str, content: bytes) -> None: ...
def remove_files(place: str, names: Iterable[str]) -> None: ...
def fetch_bundle(
    registry: str | None = None, model: str | None = None, version: str = "production"
) -> dict[str, str]: ...
def train_head(
    embeddings: np.ndarray,
    labels: Sequence[int],
    *,
    groups: Sequence[str] | None = None,
    validation: Validation | None = None,
    n_classes: int | None = None,
    seed: int = 0,
    epochs: int | None = None,
) -> dict[str, Any]: ...
def evaluate(
    probabilities: np.ndarray,
    truth: Sequence[str],
    groups: Sequence[str],
    classes: Sequence[str],
    *,
    seed: int = 0,
) -> dict[str, Any]: ...
