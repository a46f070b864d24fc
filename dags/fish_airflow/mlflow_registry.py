"""What MLflow says of a version, by its REST interface: the client library would take seconds to import."""

from __future__ import annotations

from urllib.parse import urlsplit

from fish_airflow.errors import RefusedError

TIMEOUT_S = 60


class MlflowRegistry:
    """The server that an Airflow connection names: host, port, schema; a password alone is a token."""

    def __init__(self, connection):
        self.address = address_of(connection, "http://mlflow:5000")
        self.user, self.password = connection.login or "", connection.password or ""

    @property
    def registry(self) -> str:
        """As the command line names it."""
        return f"mlflow+{self.address}"

    def secrets(self) -> dict[str, str]:
        """As a job's environment has them."""
        if self.user:
            return {"MLFLOW_TRACKING_USERNAME": self.user, "MLFLOW_TRACKING_PASSWORD": self.password}
        return {"MLFLOW_TRACKING_TOKEN": self.password} if self.password else {}

    def answers(self) -> None:
        """Raises where no MLflow answers, or not to this password."""
        self.get("experiments/search", max_results=1)

    def get(self, path: str, **query):
        import requests

        options = {}
        if self.user:
            options["auth"] = (self.user, self.password)
        elif self.password:
            options["headers"] = {"Authorization": f"Bearer {self.password}"}
        url = f"{self.address}/api/2.0/mlflow/{path}"
        send = requests.get
        if path.endswith("/search") and path.startswith("experiments"):
            send = requests.post
            options["json"] = query
        else:
            options["params"] = query
        reply = send(url, timeout=TIMEOUT_S, allow_redirects=False, **options)
        if reply.status_code in (401, 403):
            raise RefusedError(
                f"{self.address} refuses the connection's name and password ({reply.status_code})"
            )
        if reply.status_code == 404:
            return None
        reply.raise_for_status()
        return reply.json()

    def version(self, model: str, version: str) -> dict | None:
        found = self.get("model-versions/get", name=model, version=version)
        return found and found["model_version"]

    def version_of_alias(self, model: str, alias: str) -> str | None:
        found = self.get("registered-models/alias", name=model, alias=alias)
        return found and str(found["model_version"]["version"])

    def metrics(self, run_id: str) -> dict[str, float]:
        found = self.get("runs/get", run_id=run_id)
        rows = found["run"]["data"].get("metrics", []) if found else []
        return {row["key"]: float(row["value"]) for row in rows}


def address_of(connection, example: str) -> str:
    """`http://host:port/path` of a connection, whether its host has the scheme in it or not."""
    host = connection.host or ""
    if "://" not in host:
        scheme = connection.schema if connection.schema in ("http", "https") else "http"
        host = f"{scheme}://{host}"
    parts = urlsplit(host)
    if not parts.hostname or parts.username:
        raise RefusedError(
            f"connection `{connection.conn_id}`: its host is to be like {example}, without a name in it"
        )
    port = parts.port or connection.port
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{name}{f':{port}' if port else ''}{parts.path.rstrip('/')}"
