"""PostgreSQL with a data folder, socket and port of its own; the system's cluster is left alone.

PostgreSQL refuses to run as root. Started by root it runs as the user `postgres`, and since that user
cannot enter root's folders its data lies in that user's home.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

from stack.process import MissingPrerequisiteError, StackError, last_lines
from stack.service import Service, inherited_environment, write_private

ACCOUNT = "postgres"
DATABASE = ROLE = "mlflow"
SOCKET_PATH_LIMIT = 100

ROLE_AND_DATABASE = """
SET log_min_error_statement = panic;
SELECT 'CREATE ROLE {role} LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') \\gexec
ALTER ROLE {role} PASSWORD '{password}';
SELECT 'CREATE DATABASE {database} OWNER {role}'
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{database}') \\gexec
"""


class Postgres(Service):
    name = "postgres"
    title = "PostgreSQL"
    default_port = 5433
    # Ends open sessions; SIGTERM would wait for MLflow to close its own.
    stop_signal = signal.SIGINT

    def __init__(self, folder: Path, host: str, port: int):
        super().__init__(folder, host, port)
        self.password_file = folder / "pgpass"
        self.place = folder / "postgres-folder"

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def data(self) -> Path:
        return Path(self.place.read_text()) / "data"

    def check(self) -> None:
        self.program("postgres")
        self.account()

    def prepare(self) -> None:
        if not self.password_file.exists():
            password = secrets.token_urlsafe(24)
            write_private(self.password_file, f"{self.host}:*:{DATABASE}:{ROLE}:{password}\n")
        if not self.place.exists():
            write_private(self.place, str(self.new_place()))
        if len(str(self.data)) > SOCKET_PATH_LIMIT:
            raise StackError(f"{self.data} is too long for a socket's path; choose a shorter FISHID_HOME")
        if not self.data.exists():
            self.create_cluster()

    def new_place(self) -> Path:
        if os.geteuid() != 0:
            return self.folder / "postgres"
        return Path(self.user().pw_dir) / f"fishid-{secrets.token_hex(4)}"

    def user(self) -> pwd.struct_passwd:
        try:
            return pwd.getpwnam(ACCOUNT)
        except KeyError as error:
            raise StackError(
                f"PostgreSQL does not run as root and there is no user {ACCOUNT}; run this as another user"
            ) from error

    def account(self) -> dict:
        if os.geteuid() != 0:
            return {}
        user = self.user()
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def environment(self) -> dict[str, str]:
        return inherited_environment() | {"LC_ALL": "C.UTF-8"}

    def create_cluster(self) -> None:
        place = self.data.parent
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(place, self.user().pw_uid, self.user().pw_gid)
        # Appears under its name only when it is whole.
        new = place / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        self.run(
            [
                self.program("initdb"),
                f"--pgdata={new}",
                "--auth-local=peer",
                "--auth-host=scram-sha-256",
                "--encoding=UTF8",
                "--no-locale",
            ]
        )
        new.rename(self.data)

    def command(self) -> list[str]:
        settings = {
            "port": self.port,
            "listen_addresses": self.host,
            "unix_socket_directories": self.data,
            "unix_socket_permissions": "0700",
            "shared_buffers": "32MB",
            "max_connections": 40,
        }
        arguments = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        return [self.program("postgres"), "-D", str(self.data), *arguments]

    def cwd(self) -> Path:
        return self.data

    def answers(self) -> bool:
        ready = [self.program("pg_isready"), "-q", "-h", self.host, "-p", str(self.port)]
        return subprocess.run(ready, env=self.environment(), check=False).returncode == 0

    def finish(self) -> None:
        password = self.password_file.read_text().strip().rpartition(":")[2]
        script = ROLE_AND_DATABASE.format(role=ROLE, database=DATABASE, password=password)
        psql = [self.program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "postgres"]
        self.run([*psql, "-h", str(self.data), "-p", str(self.port)], stdin=script)

    def delete_data(self) -> None:
        if self.place.exists():
            shutil.rmtree(self.data.parent, ignore_errors=True)

    def run(self, command: list[str], stdin: str = "") -> None:
        done = subprocess.run(
            command,
            input=stdin,
            env=self.environment(),
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            **self.account(),
        )
        with self.log.open("a") as log:
            log.write(done.stdout + done.stderr)
        if done.returncode != 0:
            raise StackError(f"{Path(command[0]).name} failed; {self.log} ends with\n{last_lines(self.log)}")

    def program(self, name: str) -> str:
        """A program of PostgreSQL: in the PATH, or where Debian keeps its versions."""
        installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=debian_version)
        found = str(installed[-1]) if installed else shutil.which(name)
        if not found:
            raise MissingPrerequisiteError(
                f"PostgreSQL's `{name}` is missing: run scripts/setup.sh stack, or apt-get install postgresql"
            )
        return found


def debian_version(program: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in program.parts[4].split(".") if part.isdigit())
