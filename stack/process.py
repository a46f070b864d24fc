"""One background process: started in a group of its own, recognised later, ended as a whole.

A process is known by its id and the time it started, so an id that the system has given to another
program since is never signalled; what it started is known by a mark in its environment. Does not know
what the process serves.
"""

import contextlib
import os
import secrets
import signal
import subprocess
import time
from pathlib import Path

LOG_LINES_SHOWN = 15
# In the environment of a process and of all that it starts.
MARK = "FISHID_STACK_PROCESS"


class StackError(Exception):
    """What went wrong and what to do, for a person."""


class MissingPrerequisiteError(StackError):
    """Something is not installed here."""


def identity(pid: int) -> str | None:
    """What tells this process from a later one with the same id; None when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # Fields 3 and 22 of proc(5): a zombie has ended, whoever has not collected it yet.
        return None if fields[0] in "ZX" else f"{boot} {fields[19]}"
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return None
    started = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return None if not started or started.startswith("Z") else started.partition(" ")[2].strip()


def is_running(record: dict | None) -> bool:
    """Whether the process of a record is still that process."""
    if not record:
        return False
    # Only for our own children, which would stay zombies; for any other process this says "not yours".
    with contextlib.suppress(ChildProcessError):
        os.waitpid(record["pid"], os.WNOHANG)
    # A process that ended before its identity could be read has none, and is not running either.
    found = identity(record["pid"])
    return found is not None and found == record["identity"]


def start(command: list[str], environment: dict[str, str], log: Path, cwd: Path, account: dict) -> dict:
    """Starts a process that outlives this one; returns its record."""
    mark = secrets.token_hex(16)
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env=environment | {MARK: mark},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **account,
        )
    # It is ours to collect in is_running(); Popen itself would warn when it is dropped.
    process.returncode = 0
    return {"pid": process.pid, "identity": identity(process.pid), "mark": mark}


def end(record: dict | None, with_signal: int, seconds: float = 30) -> None:
    """Ends the process of a record and what it started, and nothing else."""
    if not record:
        return
    pid = record["pid"]
    if not is_running(record):
        end_left_behind(record)
        return
    os.kill(pid, with_signal)
    until = time.monotonic() + seconds
    while is_running(record) and time.monotonic() < until:
        time.sleep(0.02)
    kill_group(pid)
    while is_running(record):
        time.sleep(0.02)


def end_left_behind(record: dict) -> None:
    """Ends what a killed leader left behind: those with its mark, whatever their numbers are by now."""
    mark = f"{MARK}={record.get('mark')}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)


def kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def last_lines(log: Path, start: int = 0) -> str:
    """The end of a log file, from an offset in bytes on."""
    if not log.exists():
        return "  (no output)"
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-LOG_LINES_SHOWN:]) or "  (no output)"
