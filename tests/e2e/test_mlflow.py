"""The life of a model on a real MLflow server: one run with numbers and model, promotion, history."""

import subprocess
import time

import pytest
import requests
from mlflow_server import mlflow_server

MODEL = "fish-classifier"


def ask(url, call, **query):
    answer = requests.get(f"{url}/api/2.0/mlflow/{call}", params=query, timeout=30)
    answer.raise_for_status()
    return answer.json()


def pairs(entries):
    return {entry["key"]: entry["value"] for entry in entries}


def artifacts(url, run, path=""):
    files = ask(url, "artifacts/list", run_id=run, path=path).get("files", [])
    return {file["path"] for file in files}


def test_a_model_lives_on_an_mlflow_server(fishid, small_fish, mlflow, tmp_path):
    # MLflow's own variable is enough.
    env = {"MLFLOW_TRACKING_URI": mlflow, "FISHID_WHO": "anna"}
    outcome = fishid.ok("pipeline", "run", "--data", small_fish, "--json", env=env).json()
    assert outcome["version"] == "1"
    assert outcome["promoted"] is False, "a demonstration is no model for a team's server"

    version = ask(mlflow, "model-versions/get", name=MODEL, version="1")["model_version"]
    run = version["run_id"]
    found = ask(mlflow, "runs/get", run_id=run)["run"]
    assert found["info"]["status"] == "FINISHED"
    tags, metrics = pairs(found["data"]["tags"]), pairs(found["data"]["metrics"])
    assert tags["model_version"] == "1"
    assert tags["gate"].startswith("held back: ")
    assert tags["mlflow.user"] == "anna"
    assert {"machine", "data_digest", "bundle_digest", "backbone", "weights", "seed", "code_version"} <= set(
        tags
    )
    assert 0 <= metrics["test/macro_f1"] <= 1
    assert "learning_rate" in pairs(found["data"]["params"])
    history = ask(mlflow, "metrics/get-history", run_id=run, metric_key="val/loss")["metrics"]
    steps = [point.get("step", 0) for point in history]
    assert len(steps) > 1
    assert steps == sorted(set(steps))
    files = artifacts(mlflow, run)
    assert {
        "model",
        "report.html",
        "model_card.md",
        "gate.json",
        "gate.md",
        "evaluation",
        "training",
    } <= files
    assert "model/MLmodel" in artifacts(mlflow, run, "model")
    assert "evaluation/confusion_matrix.svg" in artifacts(mlflow, run, "evaluation")
    assert "training/curves.csv" in artifacts(mlflow, run, "training")

    # The same photographs again: nothing new, neither a version nor a run.
    again = fishid.ok("pipeline", "run", "--data", small_fish, "--json", env=env).json()
    assert again["version"] == "1"
    experiment = found["info"]["experiment_id"]
    query = {"experiment_ids": [experiment], "max_results": 10}
    runs = requests.post(f"{mlflow}/api/2.0/mlflow/runs/search", json=query, timeout=30).json()["runs"]
    assert len(runs) == 1

    registry = ("--registry", f"mlflow+{mlflow}")
    bundle = outcome["bundle"]
    published = fishid.ok("registry", "publish", bundle, *registry, "--json", env=env).json()
    assert published["version"] == "1", "one digest is one version"
    fishid.ok("registry", "promote", "1", "--force", "--why", "the first one", *registry, env=env)
    shown = fishid.ok("registry", "show", "production", *registry, "--json").json()
    assert shown["version"] == "1"
    assert shown["run"] == run
    events = fishid.ok("registry", "history", *registry, "--json").json()
    told = [(event["action"], event["to"], event["who"]) for event in events]
    assert told == [("published", "1", "anna"), ("promoted", "1", "anna")]
    assert events[1]["why"].startswith("the first one")
    assert events[1]["metrics"]["macro_f1"] == pytest.approx(metrics["test/macro_f1"])
    line = fishid.ok("registry", "history", *registry).out.splitlines()[1]
    assert "promoted production: nothing → 1" in line
    assert "macro-F1" in line
    assert "anna: the first one" in line
    pruned = fishid.ok("registry", "prune", "--keep", "0", *registry, "--json").json()
    assert pruned["removed"] == []
    assert pruned["kept"][0]["why"] == "it is in production"


def test_a_server_serves_what_is_in_production_on_mlflow(fishid, small_fish, mlflow, serve):
    registry = ("--registry", f"mlflow+{mlflow}", "--model", "served")
    outcome = fishid.ok("pipeline", "run", "--data", small_fish, *registry, "--json").json()
    fishid.ok("registry", "promote", outcome["version"], "--force", "--why", "a test", *registry)
    server = serve(fishid, "serve", *registry)
    server.wait_ready()
    photo = next(small_fish.glob("*/*.jpg")).read_bytes()
    answer = server.predict(photo)
    assert answer.status_code == 200
    assert answer.json()["model_version"] == outcome["version"]


def test_a_run_that_was_killed_is_ended_by_the_next_one(fishid, small_fish, mlflow):
    registry = ("--registry", f"mlflow+{mlflow}", "--model", "killed")
    process = fishid.start("pipeline", "run", "--data", small_fish, *registry)
    open_run = fishid.home / "pipeline" / "tracked.json"
    until = time.monotonic() + 180
    while not open_run.exists():
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.communicate()
    fishid.ok("pipeline", "run", "--data", small_fish, *registry)
    assert not open_run.exists()
    experiment = ask(mlflow, "experiments/get-by-name", experiment_name="fish-classification")["experiment"]
    query = {
        "experiment_ids": [experiment["experiment_id"]],
        "filter": "tags.model = 'killed'",
        "order_by": ["attributes.start_time ASC"],
        "max_results": 10,
    }
    runs = requests.post(f"{mlflow}/api/2.0/mlflow/runs/search", json=query, timeout=30).json()["runs"]
    assert [run["info"]["status"] for run in runs] == ["KILLED", "FINISHED"]


def test_errors_name_the_server_and_the_remedy_without_secrets(fishid):
    registry = ("--registry", "mlflow+http://anna:geheim@127.0.0.1:9")
    outcome = fishid("registry", "list", *registry)
    assert outcome.status == 1
    assert "http://127.0.0.1:9" in outcome.err
    assert "Is it running" in outcome.err
    assert "geheim" not in outcome.err
    outcome = fishid("registry", "list", "--registry", "mlflow+ftp://anna:geheim@host")
    assert outcome.status == 2
    assert "geheim" not in outcome.err


def certificate(folder):
    """Of an authority of one's own, and of a server at 127.0.0.1 that it vouches for."""
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    authority = ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Institute of Fish"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]
    of_server = ["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=mlflow", *names]
    for arguments in (authority, [*of_server, "-CA", "ca.pem", "-CAkey", "ca.key"]):
        subprocess.run([*make, *arguments], cwd=folder, check=True, capture_output=True)


def test_a_server_behind_tls_is_trusted_by_its_authority_only(fishid, tmp_path):
    certificate(tmp_path)
    tls = f"--ssl-keyfile {tmp_path}/key.pem --ssl-certfile {tmp_path}/cert.pem"
    authority = tmp_path / "ca.pem"
    with mlflow_server(tmp_path, "--uvicorn-opts", tls, authority=authority) as url:
        listing = ("registry", "list", "--registry", f"mlflow+{url}")
        outcome = fishid(*listing)
        assert outcome.status == 1
        assert "certificate" in outcome.err
        assert "MLFLOW_TRACKING_SERVER_CERT_PATH" in outcome.err

        fishid.ok(*listing, env={"MLFLOW_TRACKING_SERVER_CERT_PATH": str(authority)})

        outcome = fishid.ok(*listing, env={"MLFLOW_TRACKING_INSECURE_TLS": "true"})
        assert "certificate is not checked" in outcome.err

        nowhere = {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(tmp_path / "nowhere.pem")}
        outcome = fishid(*listing, env=nowhere)
        assert outcome.status != 0
        assert "nowhere.pem" in outcome.err
