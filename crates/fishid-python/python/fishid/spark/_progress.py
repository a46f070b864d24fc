"""How far a job is, by Spark's own count of its tasks: in the log and on a Pushgateway."""

import http.client
import os
import threading
import time

REPORT_EVERY_S = 10.0
POLL_S = 0.5
PUSH_WITHIN_S = 2
# Nobody, somebody else, or no address at all.
NO_ANSWER = (OSError, ValueError, http.client.HTTPException)


def say(text):
    """A line of the job's own among Spark's."""
    print("fishid: " + text, flush=True)


class Progress:
    """Says every few seconds how far a step is, by Spark's own count of tasks, and tells a Pushgateway."""

    def __init__(self, job, application, tracker):
        self._tracker = tracker
        self._gateway = _Gateway(job, application, os.environ.get("PUSHGATEWAY_URL"))

    def of(self, what, n_photographs, n_tasks):
        return _Step(what, n_photographs, n_tasks, self._tracker, self._gateway)

    def end(self):
        self._gateway.forget()


class _Step:
    def __init__(self, what, n_photographs, n_tasks, tracker, gateway):
        self._what, self._n, self._n_tasks = what, n_photographs, n_tasks
        self._tracker, self._gateway = tracker, gateway
        self._seen = {"failed": 0}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="fishid-progress", daemon=True)

    def __enter__(self):
        self._started = time.monotonic()
        self._thread.start()

    def __exit__(self, kind, *_):
        self._over.set()
        self._thread.join()
        took = time.monotonic() - self._started
        if kind is None:
            self._gateway.push(
                self._what, dict(self._seen, all=self._n_tasks, completed=self._n_tasks, active=0)
            )
            rate = self._n / max(took, 1e-9)
            say(f"{self._what}: {self._n} photographs in {took:.1f} s, {rate:.1f} a second")

    def _watch(self):
        said = self._started
        while not self._over.wait(POLL_S):
            counts = self._counts()
            if counts is None:
                continue
            if counts != self._seen:
                self._gateway.push(self._what, counts)
                self._seen = counts
            if time.monotonic() - said >= REPORT_EVERY_S:
                said = time.monotonic()
                say(
                    "{}: {completed} of {all} tasks, {active} running, {failed} failed and run again".format(
                        self._what, **counts
                    )
                )

    def _counts(self):
        """Tasks of the stage that runs now."""
        for job in self._tracker.getActiveJobsIds():
            info = self._tracker.getJobInfo(job)
            for stage in info.stageIds if info else []:
                found = self._tracker.getStageInfo(stage)
                if found:
                    return {
                        "all": found.numTasks,
                        "completed": found.numCompletedTasks,
                        "active": found.numActiveTasks,
                        "failed": found.numFailedTasks,
                    }
        return None


class _Gateway:
    """`fishid_spark_tasks{step,state}` of this job; a Pushgateway that does not answer holds up nothing."""

    def __init__(self, job, application, address):
        self._address = address
        # Two jobs of one name tell of themselves apart.
        self._group = {"job": job, "grouping_key": {"instance": application}, "timeout": PUSH_WITHIN_S}
        if not address:
            return
        try:
            import prometheus_client as prometheus
        except ImportError:
            say("PUSHGATEWAY_URL is set and prometheus-client is not installed: no progress is pushed")
            self._address = None
            return
        self._prometheus = prometheus
        self._registry = prometheus.CollectorRegistry()
        labels = ["step", "state"]
        self._tasks = prometheus.Gauge(
            "fishid_spark_tasks", "Tasks of a Spark job by state.", labels, registry=self._registry
        )

    def push(self, step, counts):
        if not self._address:
            return
        for state, n in counts.items():
            self._tasks.labels(step, state).set(n)
        try:
            self._prometheus.push_to_gateway(self._address, registry=self._registry, **self._group)
        except NO_ANSWER as error:
            say(f"the Pushgateway of PUSHGATEWAY_URL does not answer, no progress is pushed: {error}")
            self._address = None

    def forget(self):
        if self._address:
            try:
                self._prometheus.delete_from_gateway(self._address, **self._group)
            except NO_ANSWER as error:
                say(f"the Pushgateway of PUSHGATEWAY_URL keeps the progress of this job: {error}")
