"""The code behind `make up`: what it says when something is in the way, and that it ends only its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stack import LocalStack, MissingPrerequisiteError, Settings, StackError, process

SCRIPT = Path(__file__).parents[2] / "scripts" / "stack.py"


def script(tmp_path: Path, text: str) -> str:
    """A program in fishid's place."""
    path = tmp_path / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def stack_with(tmp_path: Path, program: str, **ports) -> LocalStack:
    return LocalStack(tmp_path / "home", Settings(ports={"fishid": 0} | ports, binary=program))


def test_a_process_that_dies_at_its_start_is_named_with_its_last_words(tmp_path):
    stack = stack_with(tmp_path, script(tmp_path, "echo the registry is on fire; exit 3"))
    with pytest.raises(
        StackError, match=r"fishid serve ended while it started(.|\n)*the registry is on fire"
    ):
        stack.start("fishid")


def test_a_port_in_use_is_named_with_the_way_round_it(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        stack = stack_with(tmp_path, script(tmp_path, "sleep 60"), fishid=port)
        with pytest.raises(StackError, match=rf"127.0.0.1:{port} .*make up FISHID_PORT="):
            stack.start("fishid")


def test_a_missing_program_is_named_with_the_remedy(tmp_path):
    with pytest.raises(MissingPrerequisiteError, match="make build"):
        stack_with(tmp_path, str(tmp_path / "nowhere")).start("fishid")
    with pytest.raises(MissingPrerequisiteError, match=r"no MLflow: run scripts/setup.sh stack"):
        LocalStack(tmp_path, Settings(ports={"mlflow": 0}, python="/bin/false")).start("mlflow")


def wait_until(condition, seconds=10):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.fixture
def parent_and_child(tmp_path):
    """A process in the background that has started another; its record, and the other's id."""
    program = script(tmp_path, "sleep 600 & echo $! >child; wait")
    record = process.start([program], dict(os.environ), tmp_path / "log", tmp_path, {})
    child = tmp_path / "child"
    wait_until(lambda: child.exists() and child.read_text().endswith("\n"))
    yield record, int(child.read_text())
    process.end(record, signal.SIGKILL)


def test_a_process_is_ended_with_its_children_and_a_stranger_with_its_number_is_not(parent_and_child):
    record, child = parent_and_child
    process.end(record | {"identity": "another process", "mark": "another"}, signal.SIGTERM)
    assert process.is_running(record), "another process with that number is left alone"
    process.end(record, signal.SIGTERM)
    assert not process.is_running(record)
    wait_until(lambda: process.identity(child) is None)


def test_what_a_killed_leader_left_is_ended_too(parent_and_child):
    record, child = parent_and_child
    os.kill(record["pid"], signal.SIGKILL)
    wait_until(lambda: not process.is_running(record))
    assert process.identity(child)
    process.end(record, signal.SIGTERM)
    wait_until(lambda: process.identity(child) is None)


def test_status_of_a_stack_that_was_never_started_says_so_and_down_is_harmless(tmp_path):
    command = [sys.executable, SCRIPT, "--home", tmp_path / "home"]
    status = subprocess.run([*command, "status", "--json"], capture_output=True, text=True, check=False)
    assert status.returncode == 1
    assert [row["state"] for row in json.loads(status.stdout)] == ["stopped"] * 5
    assert subprocess.run([*command, "down"], capture_output=True, check=False).returncode == 0


def test_what_a_killed_leader_left_is_ended_and_nothing_else(tmp_path):
    record = process.start(
        [script(tmp_path, "sleep 300 & echo $! >child; wait")], os.environ, tmp_path / "log", tmp_path, {}
    )
    wait_until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text().strip())
    child = int((tmp_path / "child").read_text())
    # A stranger whose group bears the number of a leader that is long gone.
    (tmp_path / "other").mkdir()
    other = script(tmp_path / "other", "sleep 300 & echo $! >orphan")
    stranger = subprocess.Popen([other], cwd=tmp_path, start_new_session=True)
    stranger.wait()
    orphan = int((tmp_path / "orphan").read_text())
    try:
        os.kill(record["pid"], signal.SIGKILL)
        process.end(record | {"pid": stranger.pid}, signal.SIGTERM)
        wait_until(lambda: process.identity(child) is None)
        assert process.identity(orphan) is not None
    finally:
        os.kill(orphan, signal.SIGKILL)


def test_a_damaged_state_is_named_with_the_remedy(tmp_path):
    stack = stack_with(tmp_path, "true")
    stack.state_file.write_text('{"ports": {')
    with pytest.raises(StackError, match=r"state.json is damaged .*then delete it"):
        stack_with(tmp_path, "true")
