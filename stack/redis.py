"""Redis, over which servers share answers: in memory alone, a random password, bounded."""

import secrets
import shutil
import socket
from pathlib import Path

from stack.process import MissingPrerequisiteError
from stack.service import Service, inherited_environment, write_private

# A hundred thousand answers and more; the oldest go first.
MAX_MEMORY = "64mb"


class Redis(Service):
    name = "redis"
    title = "Redis"
    # Beside a Redis of the machine.
    default_port = 6380
    start_seconds = 30

    def __init__(self, folder: Path, host: str, port: int):
        super().__init__(folder, host, port)
        # The password is in a file, since everybody on the machine sees a command's arguments.
        self.settings_file = folder / "redis.conf"

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def client_environment(self) -> dict[str, str]:
        """What makes `fishid serve` use it."""
        return {"REDIS_URL": f"redis://:{self.password()}@{self.address}"} if self.password() else {}

    def password(self) -> str | None:
        if not self.settings_file.exists():
            return None
        lines = dict(line.split(" ", 1) for line in self.settings_file.read_text().splitlines())
        return lines["requirepass"]

    def check(self) -> None:
        self.program()

    def prepare(self) -> None:
        settings = {
            "bind": self.host,
            "port": self.port,
            "dir": self.folder,
            "save": '""',
            "maxmemory": MAX_MEMORY,
            "maxmemory-policy": "allkeys-lru",
            "requirepass": self.password() or secrets.token_hex(20),
        }
        write_private(self.settings_file, "".join(f"{name} {value}\n" for name, value in settings.items()))

    def command(self) -> list[str]:
        return [self.program(), str(self.settings_file)]

    def environment(self) -> dict[str, str]:
        return inherited_environment()

    def answers(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), timeout=5) as connection:
                connection.settimeout(5)
                connection.sendall(f"AUTH {self.password()}\r\nPING\r\n".encode())
                # The two replies may come apart.
                replies = b""
                while replies.count(b"\r\n") < 2 and (part := connection.recv(100)):
                    replies += part
                return replies == b"+OK\r\n+PONG\r\n"
        except OSError:
            return False

    def program(self) -> str:
        found = shutil.which("redis-server")
        if not found:
            raise MissingPrerequisiteError(
                "`redis-server` is missing: run scripts/setup.sh stack, or apt-get install redis-server"
            )
        return found
