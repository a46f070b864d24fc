"""One training run on the driver of a job."""

import json

from fishid import _arrow, _native


class TrainingRun:
    """A run whose photographs are looked at and embedded by a cluster; for its driver.

    It is `fishid pipeline run` with those two steps taken out: same settings (arguments before `FISHID_*`
    before `fishid.toml`), same splits, same gate, same registry. `data` and `work` are folders or
    `s3://bucket/prefix`; `work` is where machines share embeddings. What is None comes from the settings.

    `spec` and `backbone_files` go to the executors: `inspect` every photograph, `plan`, `embed` what it
    gives, `finish`. `listing_digest` changes whenever a photograph is added, removed or written.
    """

    def __init__(
        self,
        data,
        *,
        registry=None,
        model=None,
        backbone=None,
        weights=None,
        views=None,
        epochs=None,
        seed=None,
        fit=None,
        group_column="group",
        allow_class_change=False,
        work=None,
    ):
        embeddings = None if work is None else str(work).rstrip("/") + "/embeddings"
        backbone = None if backbone is None else str(backbone)
        self._job = _native.Job(
            str(data),
            registry,
            model,
            backbone,
            weights,
            views,
            epochs,
            seed,
            fit,
            group_column,
            allow_class_change,
            embeddings,
        )
        self.n_photographs = self._job.n_photographs()
        self.listing_digest = self._job.listing_digest()
        self.spec = self._job.spec()
        self.backbone_files = self._job.backbone_files()
        self.n_views_there = None
        self.n_views_missing = None
        self._left_out = None

    def photographs(self):
        """`path`, `class`, `group` and `split` of every photograph, by path.

        Nothing has been read of them yet.
        """
        return _arrow.table(self._job.photographs())

    def plan(self, inspections):
        """Checks and splits the photographs and gives what is to be embedded.

        `path`, `digest`, `split`, `views`.

        `inspections` has a row of `inspect` for every photograph, in any order. Views that are in the
        `work` place already are left out, so that a second run gives an empty table. Raises
        `InputError` where the photographs are not acceptable, or more than 5 % of them cannot be used.
        """
        columns = [("path", _arrow.TEXT), ("inspection", _arrow.TEXT)]
        planned = self._job.plan(_arrow.stream(inspections, columns))
        to_embed, self.n_views_there, self.n_views_missing, left_out = planned
        self._left_out = _arrow.table(left_out)
        return _arrow.table(to_embed)

    def quarantine(self):
        """`path`, `kind` and `reason` of the photographs that are left out; after `plan`."""
        if self._left_out is None:
            raise RuntimeError("the run is not planned yet: call plan first")
        return self._left_out

    def finish(self, *, force=False):
        """Trains, evaluates, passes the gate, registers and promotes.

        What `fishid pipeline run --json` prints, as a dict.

        Embeddings that are not in the `work` place are computed here: `embeddings_computed` says how
        many.
        """
        return json.loads(self._job.finish(force))
