"""Writes evaluation.json: answers drawn at random and what scikit-learn says of them.

python3 evaluation.py > evaluation.json   (scikit-learn 1.9, numpy 2.4)
"""

import json

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)

classes = ["abramis_brama", "esox_lucius", "perca_fluviatilis", "sander_lucioperca", "tinca_tinca"]
cases = []
for seed, n, unknown in [(0, 60, False), (1, 200, False), (2, 80, True)]:
    rng = np.random.default_rng(seed)
    names = classes + (["salmo_trutta"] if unknown else [])
    # tinca_tinca is never the truth, so macro averages leave it out.
    truth = rng.choice([name for name in names if name != "tinca_tinca"], size=n)
    logits = rng.normal(size=(n, len(classes)))
    for i, name in enumerate(truth):
        if name in classes:
            logits[i, classes.index(name)] += 1.2
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    p = p.astype(np.float32)
    answers = np.array(classes)[p.argmax(axis=1)]
    present = sorted(set(truth))
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, answers, labels=names, zero_division=0
    )
    if unknown:
        known = np.isin(truth, classes)
        top_3 = top_k_accuracy_score(truth[known], p[known], k=3, labels=classes) * known.mean()
        balanced = float(np.mean([recall[names.index(name)] for name in present]))
    else:
        top_3 = top_k_accuracy_score(truth, p, k=3, labels=classes)
        balanced = balanced_accuracy_score(truth, answers)
    cases.append(
        {
            "classes": classes,
            "truth": truth.tolist(),
            "probabilities": [[float(v) for v in row] for row in p],
            "accuracy": accuracy_score(truth, answers),
            "balanced_accuracy": float(balanced),
            "macro_f1": f1_score(truth, answers, labels=present, average="macro"),
            "top_3_accuracy": float(top_3),
            "confusion": confusion_matrix(truth, answers, labels=names).tolist(),
            "per_class": {
                name: [float(precision[i]), float(recall[i]), float(f1[i]), int(support[i])]
                for i, name in enumerate(names)
            },
        }
    )
print(json.dumps(cases))
