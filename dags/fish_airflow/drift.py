"""Whether a signal in Prometheus has been high for long enough, and no training was started lately."""

from __future__ import annotations

import logging
import math
import time

from airflow.providers.common.compat.sdk import BaseHook, Variable

from fish_airflow.errors import RefusedError
from fish_airflow.mlflow_registry import address_of
from fish_airflow.settings import DriftSettings, drift_settings

log = logging.getLogger("airflow.task")

# Unix time of the last training that this watch started.
LAST_VARIABLE = "fish_drift_watch_last_training"
N_POINTS = 60
# A scrape or two may be missing of a signal that has been there all the time.
LEAST_SHARE = 0.9
TIMEOUT_S = 60


def drift_stays_high(**context) -> bool:
    settings = drift_settings(context)
    if settings.hold_minutes < 1 or settings.cooldown_hours < 0:
        raise RefusedError(
            "`hold_minutes` is to be at least 1, `cooldown_hours` at least 0 (`fish_drift_watch`)"
        )
    now = time.time()
    high = signals_that_stay_high(settings, now)
    if not high:
        log.info("no signal has been above %s for %s minutes", settings.threshold, settings.hold_minutes)
        return False
    log.warning("above %s for %s minutes: %s", settings.threshold, settings.hold_minutes, ", ".join(high))
    last = float(context["var"]["value"].get(LAST_VARIABLE, 0))
    rest = last + settings.cooldown_hours * 3600 - now
    if rest > 0:
        log.info("not training again for another %.1f hours", rest / 3600)
        return False
    context["ti"].xcom_push(key="parameters", value=settings.parameters)
    return True


def signals_that_stay_high(settings: DriftSettings, now: float) -> list[str]:
    """Series whose every point is above the threshold, and which have been there for the whole time."""
    import requests

    connection = BaseHook.get_connection(settings.prometheus_connection)
    address = address_of(connection, "http://prometheus:9090")
    seconds = settings.hold_minutes * 60
    query = {"query": settings.query, "start": now - seconds, "end": now, "step": seconds / N_POINTS}
    options = {"auth": (connection.login, connection.password or "")} if connection.login else {}
    reply = requests.get(f"{address}/api/v1/query_range", params=query, timeout=TIMEOUT_S, **options)
    if reply.status_code in (400, 422):
        raise RefusedError(f"Prometheus refuses the query {settings.query!r}: {reply.json().get('error')}")
    reply.raise_for_status()
    result = reply.json()["data"]["result"]
    if not result:
        log.warning("%s has no series: is the server scraped?", settings.query)
    return [name_of_series(series) for series in result if stays_above(series["values"], settings.threshold)]


def stays_above(points: list, threshold: float) -> bool:
    values = [float(value) for _, value in points]
    enough = len(values) >= LEAST_SHARE * (N_POINTS + 1)
    return enough and all(value > threshold and not math.isnan(value) for value in values)


def name_of_series(series: dict) -> str:
    labels = ", ".join(f"{name}={value}" for name, value in sorted(series["metric"].items()))
    return f"{{{labels}}} at {series['values'][-1][1]}"


def start_cooldown(**_) -> None:
    Variable.set(LAST_VARIABLE, str(time.time()))
