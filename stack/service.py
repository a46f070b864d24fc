"""What every service of the stack has: a port, a folder, a log, a way to start, to answer and to end."""

import os
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path

from stack.process import StackError

# Settings of a person for other servers, which would reach ours: the stack hands over its own.
FOREIGN_SETTINGS = ("AWS_", "MLFLOW_", "PG", "REDIS_", "VGW_")


class Service:
    """One process of the stack. Subclasses say how it starts and when it answers."""

    name: str
    title: str
    default_port: int
    start_seconds = 120
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path, host: str, port: int):
        self.folder = folder
        self.host = host
        self.port = port
        self.log = folder / "logs" / f"{self.name}.log"

    @property
    def address(self) -> str:
        return f"http://{self.host}:{self.port}"

    def check(self) -> None:
        """Names a prerequisite that is missing here."""

    def prepare(self) -> None:
        """Before every start."""

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return inherited_environment()

    def account(self) -> dict:
        """Arguments of Popen for another user."""
        return {}

    def cwd(self) -> Path:
        return self.folder

    def answers(self) -> bool:
        raise NotImplementedError

    def finish(self) -> None:
        """Once it answers, after every start."""

    def delete_data(self) -> None:
        """Removes what it keeps outside the stack's folder."""


def inherited_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_SETTINGS)}


def fishid_cache() -> Path:
    """Where the set-up keeps what it builds."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("FISHID_CACHE") or caches / "fishid")


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner reads, never visible with other rights or half written."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(path)


def gets(url: str) -> int | None:
    """Status of a GET, None where nobody answers."""
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=5) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def check_port_is_free(service: Service, how_to_change: str) -> None:
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still fading is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((service.host, service.port))
        except OSError as error:
            raise StackError(
                f"{service.title} cannot listen on {service.host}:{service.port} ({error.strerror.lower()}); "
                f"end what uses that port, or choose another: {how_to_change}"
            ) from error
