"""`fishid serve`, which follows the registry: 503 until a version is in production."""

import os
import shutil
from pathlib import Path

from stack.process import MissingPrerequisiteError
from stack.redis import Redis
from stack.service import Service, fishid_cache, gets, inherited_environment


class FishidServer(Service):
    name = "fishid"
    title = "fishid serve"
    default_port = 8080
    start_seconds = 60

    def __init__(
        self, folder: Path, host: str, port: int, binary: str, registry: str, redis: Redis, extra: dict
    ):
        super().__init__(folder, host, port)
        self.binary = binary
        self.registry = registry
        self.redis = redis
        self.extra = extra

    def check(self) -> None:
        if not shutil.which(self.binary):
            raise MissingPrerequisiteError(
                f"there is no program {self.binary}: run make build, or name it with --binary"
            )

    def command(self) -> list[str]:
        return [self.binary, "serve", "--registry", self.registry, "--listen", f"{self.host}:{self.port}"]

    def environment(self) -> dict[str, str]:
        return inherited_environment() | self.redis.client_environment() | self.extra

    def cwd(self) -> Path:
        """Where the person stands: a fishid.toml there is read."""
        return Path.cwd()

    def answers(self) -> bool:
        return gets(f"{self.address}/health") == 200

    def has_model(self) -> bool:
        return gets(f"{self.address}/ready") == 200


def default_binary() -> str:
    target = os.environ.get("CARGO_TARGET_DIR") or fishid_cache() / "target"
    built = Path(target) / "release" / "fishid"
    named = os.environ.get("FISHID_BIN") or (built if built.exists() else shutil.which("fishid"))
    return str(named or built)
