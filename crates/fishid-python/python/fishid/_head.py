"""The classifier's head and its numbers, over rows that are there already."""

import json

from fishid import _native
from fishid._errors import InputError


def _rows(embeddings, labels, groups):
    import numpy as np

    values = np.ascontiguousarray(embeddings, dtype="<f4")
    labels = [int(label) for label in labels]
    groups = [str(i) for i in range(len(labels))] if groups is None else [str(group) for group in groups]
    if values.ndim != 2 or not len(values) == len(labels) == len(groups):
        shapes = f"embeddings {values.shape}, {len(labels)} labels, {len(groups)} groups"
        raise InputError(shapes + ": give embeddings [n, width] with a label and a group for each row")
    if labels and min(labels) < 0:
        raise InputError("labels are class indices from 0")
    return values, (values.tobytes(), labels, groups)


def train_head(embeddings, labels, *, groups=None, validation=None, n_classes=None, seed=0, epochs=None):
    """Trains a linear head as a pipeline run does.

    Search inside the groups, refit, discriminant, calibration.

    `embeddings` are float32 [n, width], `labels` class indices, `groups` what never stands on both
    sides of a fold (default: every row for itself); `validation` is (embeddings, labels) or
    (embeddings, labels, groups), for stopping and calibration. A dict: `weights` float32 [n_classes,
    width], `bias` float32 [n_classes], `temperature`, `confidence_threshold`, `setting`, `best_epoch`,
    `n_settings`. Logits are `embeddings @ weights.T + bias`.
    """
    import numpy as np

    values, train = _rows(embeddings, labels, groups)
    width = values.shape[1]
    held_out = (b"", [], [])
    if validation is not None:
        rows, held_out = _rows(*validation) if len(validation) == 3 else _rows(*validation, None)
        if rows.shape[1] != width:
            raise InputError("the validation embeddings have another width")
    if n_classes is None:
        n_classes = max(train[1] + held_out[1], default=-1) + 1
    settings = {"width": width, "n_classes": n_classes, "seed": seed, "epochs": epochs}
    facts, weights, bias = _native.train_head(train, held_out, settings)
    head = json.loads(facts)
    head["weights"] = np.frombuffer(weights, dtype="<f4").reshape(n_classes, width)
    head["bias"] = np.frombuffer(bias, dtype="<f4")
    return head


def evaluate(probabilities, truth, groups, classes, *, seed=0):
    """The numbers of `fishid evaluate --json`.

    Probabilities float32 [n, n_classes] in the order of `classes`, the true class and the group of each
    row. Intervals are drawn by group from `seed`.
    """
    import numpy as np

    content = np.ascontiguousarray(probabilities, dtype="<f4").tobytes()
    texts = ([str(text) for text in column] for column in (truth, groups, classes))
    return json.loads(_native.evaluate(content, *texts, seed))
