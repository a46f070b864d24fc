"""fishid for Python.

The Rust code of training, scoring and preprocessing, for Spark executors and notebooks.

The same crates as in the program `fishid`, so that the answers are the same. Start at `TrainingRun` for
a training job, at `label` for scoring by the million, at `load_bundle` for a notebook. docs/PYTHON.md
has every function.
"""

from fishid._bundle import Bundle, load_bundle
from fishid._data import check_dataset, fetch_bundle, load_pixels
from fishid._errors import FishidError, InputError
from fishid._executors import (
    EMBED_SCHEMA,
    INSPECT_SCHEMA,
    KEEP_SCHEMA,
    LABEL_SCHEMA,
    embed,
    inspect,
    label,
)
from fishid._files import (
    download,
    list_files,
    list_photographs,
    read_file,
    remove_files,
    upload,
    write_file,
)
from fishid._head import evaluate, train_head
from fishid._library import locate
from fishid._native import __version__
from fishid._run import TrainingRun

locate()

__all__ = [
    "EMBED_SCHEMA",
    "INSPECT_SCHEMA",
    "KEEP_SCHEMA",
    "LABEL_SCHEMA",
    "Bundle",
    "FishidError",
    "InputError",
    "TrainingRun",
    "__version__",
    "check_dataset",
    "download",
    "embed",
    "evaluate",
    "fetch_bundle",
    "inspect",
    "label",
    "list_files",
    "list_photographs",
    "load_bundle",
    "load_pixels",
    "read_file",
    "remove_files",
    "train_head",
    "upload",
    "write_file",
]
