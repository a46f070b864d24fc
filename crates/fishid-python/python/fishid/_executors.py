"""What a Spark executor does, batch by batch, without the interpreter lock: nothing is per photograph."""

from fishid import _arrow, _native

#: Spark DDL of what `inspect` gives.
INSPECT_SCHEMA = "path string, inspection string, error string"
#: Spark DDL of what `embed` gives.
EMBED_SCHEMA = "path string, digest string, view string, embedding array<float>, error string"
#: Spark DDL of what `embed(keep=True)` gives.
KEEP_SCHEMA = "path string, digest string, n_views int, error string"
#: Spark DDL of what `label` gives.
LABEL_SCHEMA = (
    "path string, predicted_class string, predicted_label string, confidence double, is_confident boolean, "
    "top_2_class string, top_2_label string, top_2_probability double, "
    "top_3_class string, top_3_label string, top_3_probability double, "
    "model_version string, model_digest string, error_kind string, error string"
)


def inspect(batch, spec, *, threads=None):
    """Looks at the photographs of the column `path`: digest, size, format, perceptual hash of each.

    A row for each, in their order: `path`, `inspection` (JSON for `TrainingRun.plan`) and `error`, why
    it cannot be used. `spec` is `TrainingRun.spec`.
    """
    return _arrow.batch(_native.inspect(_arrow.stream(batch, [("path", _arrow.TEXT)]), spec, threads))


def embed(batch, spec, *, backbone, threads=None, keep=False):
    """Embeds the photographs of the column `path` in f32.

    `views` (lists of names, as `plan` gives) says which views.

    `backbone` is the path of the ONNX file on this host. The engine is loaded once in a process and has
    `threads` sessions of one thread each: OMP_NUM_THREADS, which Spark sets to spark.task.cpus, else
    one a core. A photograph that cannot be used is a row with `error`.

    Without `keep` a row for each view: `path`, `digest`, `view`, `embedding`, `error`. With it the
    embeddings are in the run's `work` place before this returns, as one part file named by its content,
    and a row for each photograph says so: `path`, `digest`, `n_views`, `error`.
    """
    columns = [("path", _arrow.TEXT), ("views", _arrow.TEXTS)]
    wanted = _arrow.stream(batch, columns, optional=["views"])
    return _arrow.batch(_native.embed(wanted, spec, str(backbone), threads, keep))


def label(batch, data, *, bundle, threads=None, lang="ru"):
    """Answers the photographs of the column `path`, relative to `data`, with the model of a bundle folder.

    A row for each, in their order, with the columns of `fishid predict --out` (`LABEL_SCHEMA`); `path`
    is the whole path. A photograph that cannot be answered has `error_kind` and `error`. The model is
    loaded and proven on its golden photographs once in a process.
    """
    wanted = _arrow.stream(batch, [("path", _arrow.TEXT)])
    return _arrow.batch(_native.label(wanted, data, str(bundle), threads, lang))
