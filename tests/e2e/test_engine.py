"""What computes the model: measured, kept, overridden, and held to the quota of the process."""

import contextlib
import os
import platform
from pathlib import Path

import pytest
import requests


def engine_of(server):
    server.wait_ready(120)
    return requests.get(f"{server.url}/model", timeout=10).json()["engine"]


def records(fishid):
    return sorted((fishid.home / "engine" / "tuning").glob("*.json"))


def test_the_first_start_measures_and_the_second_does_not(fishid, serve, small_bundle):
    first = serve(fishid, "serve", "--bundle", small_bundle[0])
    engine = engine_of(first)
    assert engine["chosen_by"] == "measurement"
    assert engine["measured"]["latency_ms"] > 0
    assert engine["golden_max_difference"] <= 0.02
    assert "engine measured for the first time" in first.output()
    (record,) = records(fishid)
    before = record.read_bytes()

    second = serve(fishid, "serve", "--bundle", small_bundle[0])
    assert engine_of(second) == engine
    assert "engine measured for the first time" not in second.output()
    assert record.read_bytes() == before


def test_tune_prints_its_choice_and_the_server_uses_it(fishid, serve, small_bundle):
    tuned = fishid.ok("tune", small_bundle[0], "--goal", "throughput", "--seconds", "0.2", "--json")
    found = tuned.json()
    assert found["chosen"] in [one["plan"] for one in found["measured"]]
    assert Path(found["kept_in"]).is_file()
    assert "photographs per second" in tuned.err
    engine = engine_of(serve(fishid, "serve", "--bundle", small_bundle[0]))
    chosen = found["chosen"]
    assert (engine["precision"], engine["streams"], engine["threads"], engine["batch"]) == (
        chosen["precision"],
        chosen["streams"],
        chosen["threads"],
        chosen["batch"],
    )


def test_settings_go_before_measurements(fishid, serve, small_bundle):
    flags = ["--provider", "cpu", "--precision", "f32", "--streams", "2", "--threads", "1", "--batch", "2"]
    engine = engine_of(serve(fishid, "serve", "--bundle", small_bundle[0], *flags))
    assert engine["execution_provider"] == "CPUExecutionProvider"
    assert (engine["precision"], engine["streams"], engine["threads"], engine["batch"]) == ("f32", 2, 1, 2)
    by_environment = serve(fishid, "serve", "--bundle", small_bundle[0], env={"FISHID_ENGINE__STREAMS": "2"})
    assert engine_of(by_environment)["streams"] == 2


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--precision", "int8"], 64, "f32 or bf16"),
        (["--streams", "0"], 64, "--streams"),
        (["--seconds=-1"], 2, "0 to 600"),
        (["--seconds", "1e9"], 2, "0 to 600"),
        (["--provider", "gpu"], 64, "cpu, openvino or cuda"),
        (["--provider", "cpu", "--precision", "bf16"], 2, "use f32"),
    ],
)
def test_settings_that_cannot_be_met_are_refused_with_the_remedy(
    fishid, small_bundle, arguments, status, words
):
    outcome = fishid("tune", small_bundle[0], *arguments)
    assert outcome.status == status, outcome
    assert words in outcome.err


@contextlib.contextmanager
def one_cpu():
    """A control group with the quota of one processor, as docker makes it; yields its file of members."""
    layouts = [
        (Path("/sys/fs/cgroup/cpu"), {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "100000"}),
        (Path("/sys/fs/cgroup"), {"cpu.max": "100000 100000"}),
    ]
    for root, settings in layouts:
        group = root / f"fishid-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if all((group / name).exists() for name in settings):
                for name, value in settings.items():
                    (group / name).write_text(value)
                yield group / "cgroup.procs"
                return
        except PermissionError:
            pass
        finally:
            group.rmdir()
    pytest.skip("this machine lets nobody make a control group with a quota")


def test_a_quota_of_one_processor_gives_one_thread(fishid, small_bundle):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("this machine has one processor anyway")
    with one_cpu() as members:
        outcome = fishid.ok(
            "tune",
            small_bundle[0],
            "--seconds",
            "0.2",
            "--json",
            before=lambda: members.write_text(str(os.getpid())),
        )
        found = outcome.json()
    assert found["machine"]["cores"] == 1
    assert found["chosen"]["threads"] == 1


def processors_of_threads(pid):
    """The processors that each thread of a process may run on, with the thread's name."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        # One may end meanwhile.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            yield (thread / "comm").read_text().strip(), frozenset(os.sched_getaffinity(int(thread.name)))


@pytest.mark.parametrize("provider", ["openvino", "cpu"])
@pytest.mark.parametrize(("streams", "threads"), [(1, 2), (2, 1)])
def test_no_thread_of_a_server_is_bound_to_some_of_the_processors(
    fishid, serve, small_bundle, small_fish, provider, streams, threads
):
    # Bound threads of two servers on one machine would wait for each other.
    processors = os.sched_getaffinity(0)
    if len(processors) < 2:
        pytest.skip("this machine has one processor: threads cannot be told to be bound")
    if provider == "openvino" and platform.machine() != "x86_64":
        pytest.skip("OpenVINO's execution provider is for x86-64")
    plan = ["--provider", provider, "--precision", "f32", "--streams", streams, "--threads", threads]
    server = serve(fishid, "serve", "--bundle", small_bundle[0], *plan)
    server.wait_ready(120)
    # OpenVINO binds a thread when it computes, and may let it go after.
    found = set()
    for photo in small_fish.glob("*/*.jpg"):
        assert server.predict(photo.read_bytes()).status_code == 200
        found.update(processors_of_threads(server.process.pid))
    assert "fishid-infer-0" in {name for name, _ in found}, found
    assert {bound for bound in found if bound[1] != processors} == set()
