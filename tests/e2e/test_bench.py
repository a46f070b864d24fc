"""`make bench` with the server alone and phases of a moment: that it still runs, not what it measures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
BINARIES = Path(os.environ.get("FISHID_BIN", "fishid")).parent


@pytest.fixture
def bench(fishid, small_bundle, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    for name, value in fishid.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("FISHID_TEST_DATA", raising=False)
    from serving import Bench

    class Arguments:
        quick, only, rounds, seconds = True, "fishid", 1, 0.3
        binaries, work = BINARIES, str(tmp_path / "work")

    class SameAnswers:
        def compare(self, server):
            return {"pixels": 0.0}

    bench = Bench(Arguments)
    bench.tools.bundle, _ = small_bundle
    bench.reference = SameAnswers()
    subprocess.run([BINARIES / "bench_photographs", bench.tools.photographs, "--quick"], check=True)
    return bench


def test_the_server_goes_through_every_phase_and_into_the_report(bench):
    from report import Results, page
    from serving import Running, machine

    limit = bench.generator_limit()
    assert limit["n_answered"] > 0
    plan = bench.plans[0]
    server = Running(plan, bench.tools, bench.tools.work / "fishid.log")
    try:
        outcome = bench.measure(server, is_last=True)
        assert server.processor_seconds() > 0
    finally:
        server.stop()
    assert server.processes[0].returncode == 0
    assert set(outcome["closed"]) == {"1mp/1", "1mp/8"}
    for phase in (*outcome["closed"].values(), outcome["hits"]):
        assert phase["n_answered"] > 0
        assert phase["n_failed"] == 0
    assert outcome["closed"]["1mp/1"]["phases_ms"]["phase=inference"] > 0
    assert [search["bound_ms"] for search in outcome["search"]] == [250, 1000]
    overload = outcome["overload"]
    assert overload["n_answered"] > 0
    assert overload["failures"].keys() <= {"status 503", "status 504"}
    assert overload["memory_mib"]["after"] > 0
    assert outcome["memory_mib"]["peak"] >= outcome["memory_mib"]["resident"] > 0

    costs = [
        {"folder": "1mp", "n_threads": machine()["cores"], "core_ms": 4.0, "decode_ms": 3.0, "resize_ms": 1.0}
    ]
    results = Results.__new__(Results)
    results.all = {
        "machine": machine(),
        "when": "today",
        "commit": "here",
        "seconds": 0.3,
        "minutes": 0,
        "load_before": 0.0,
        "generator_limit": limit,
        "matrix_rate": {"f32": 1e11, "bf16": 2e11},
        "stage_costs": {
            "photographs": costs,
            "inference": [{"how": "as served", "engine": "f32", "ms": 10.0, "core_ms": 20.0}],
        },
    }
    results.servers = {"fishid": {"title": plan.title, "rounds": [outcome]}}
    text = page(results)
    assert "| fishid |" in text
    assert "p99 ≤ 250 ms" in text
    assert "three times the capacity" in text


def test_a_server_that_is_not_known_is_refused(fishid):
    refused = subprocess.run(
        [sys.executable, BENCH / "serving.py", "--only", "fishid,tomcat", "--binaries", BINARIES],
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert "no such server: tomcat" in refused.stderr
