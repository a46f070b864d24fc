"""The drift watch on Airflow, beside a server that speaks Prometheus's query interface.

A real Prometheus would want an hour of scrapes for an hour of drift; this one is told what it has seen.
"""

import http.server
import json
import threading
from urllib.parse import parse_qs, urlsplit

import pytest
from airflow_lab import TRAINING, WATCH

HOLD_MINUTES = 60
THRESHOLD = 0.3


class Prometheus(http.server.BaseHTTPRequestHandler):
    """`series` maps a signal to its value so many minutes ago, or to None where it was not there."""

    series: dict = {}
    asked: list = []

    def do_GET(self):  # noqa: N802
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.asked.append(query)
        status, body = (
            200,
            {"status": "success", "data": {"resultType": "matrix", "result": self.result(query)}},
        )
        if parts.path != "/api/v1/query_range" or query["query"].count("(") != query["query"].count(")"):
            status, body = 400, {"status": "error", "error": "parse error: unclosed parenthesis"}
        data = json.dumps(body).encode()
        self.send_response(status)
        self.end_headers()
        self.wfile.write(data)

    def result(self, query: dict) -> list:
        start, end, step = (float(query[name]) for name in ("start", "end", "step"))
        times = [start + i * step for i in range(round((end - start) / step) + 1)]
        found = []
        for signal, value in self.series.items():
            points = [(at, value((end - at) / 60)) for at in times]
            values = [[at, str(it)] for at, it in points if it is not None]
            if values:
                found.append({"metric": {"signal": signal}, "values": values})
        return found

    def log_message(self, *_):
        pass


@pytest.fixture
def watch(airflow):
    """Runs the watch once, for what Prometheus has seen; gives the outcome."""
    handler = type("Handler", (Prometheus,), {"asked": [], "series": {}})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def run(series, last: float | None = None, address: str | None = None, **settings):
        handler.series = series
        variable = {"threshold": THRESHOLD, "hold_minutes": HOLD_MINUTES, "cooldown_hours": 24} | settings
        changes = {
            "AIRFLOW_VAR_FISH_DRIFT_WATCH": json.dumps(variable),
            "AIRFLOW_CONN_FISHID_PROMETHEUS": address or f"http://127.0.0.1:{server.server_port}",
        }
        soon = {"drift_stays_high": {"retries": 0}}
        airflow.ask("variable", name="fish_drift_watch_last_training", value=last)
        return airflow.run(WATCH, set=changes, tasks=soon)

    run.asked = handler.asked
    yield run
    server.shutdown()
    server.server_close()


def was_triggered(outcome: dict) -> bool:
    assert outcome["state"] == "success", outcome["log"][-4000:]
    states = {outcome["tasks"][name] for name in ("trigger_training", "start_cooldown")}
    assert states in ({"success"}, {"skipped"})
    return states == {"success"}


def high(_):
    return 0.5


def low(_):
    return 0.1


def test_drift_that_stays_high_starts_a_training_with_the_parameters_of_the_variable(airflow, watch):
    outcome = watch({"confidence": low, "classes": high}, parameters={"views": 2})
    assert was_triggered(outcome)
    asked = watch.asked[-1]
    assert asked["query"] == "max by (signal) (fishid_drift_score)"
    assert float(asked["end"]) - float(asked["start"]) == pytest.approx(HOLD_MINUTES * 60)
    started = airflow.ask("state", dag=TRAINING, run_id=f"drift__{outcome['run_id']}")
    assert started["state"] == "queued"
    assert started["conf"] == {"views": 2}
    assert "signal=classes" in outcome["log"]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(low, id="low"),
        pytest.param(lambda minutes: 0.5 if minutes < 50 else 0.1, id="not for long enough"),
        pytest.param(lambda minutes: 0.1 if 20 < minutes < 22 else 0.5, id="with a break"),
        pytest.param(lambda minutes: 0.5 if minutes < 45 else None, id="not there before"),
        pytest.param(lambda _: THRESHOLD, id="at the threshold"),
        pytest.param(lambda _: float("nan"), id="not a number"),
        pytest.param(lambda _: None, id="no series"),
    ],
)
def test_what_does_not_stay_above_the_threshold_starts_nothing(watch, value):
    assert not was_triggered(watch({"classes": value}))


def test_a_scrape_that_is_missing_does_not_matter(watch):
    assert was_triggered(watch({"classes": lambda minutes: None if 30 < minutes < 32 else 0.5}))


def test_a_second_training_waits_for_the_end_of_the_cooldown(airflow, watch):
    assert was_triggered(watch({"classes": high}))
    last = float(airflow.ask("variable", name="fish_drift_watch_last_training")["value"])
    waiting = watch({"classes": high}, last=last)
    assert not was_triggered(waiting)
    assert "not training again for another 24.0 hours" in waiting["log"]
    assert was_triggered(watch({"classes": high}, last=last - 24 * 3600 - 1))


def test_a_prometheus_that_is_away_or_refuses_fails_the_task_and_starts_nothing(watch):
    away = watch({}, address="http://127.0.0.1:1")
    assert away["state"] == "failed"
    assert away["tasks"]["trigger_training"] == "upstream_failed"
    refused = watch({}, query="max by (signal) (fishid_drift_score")
    assert refused["state"] == "failed"
    assert "Prometheus refuses the query" in refused["log"]
