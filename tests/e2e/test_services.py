"""With the real PostgreSQL, S3 and MLflow: from photographs to answers by itself, and through outages."""

import json
import time

import pytest
import requests
from services import TOKEN, Traffic, command_lines, metric, wait_until

LONGEST_TO_SERVER_S = 15


def serving(services) -> str:
    return services.get("/ready").json().get("model_version")


def model_state(url: str) -> dict:
    return requests.get(f"{url}/model", timeout=10).json()


def test_a_run_on_photographs_in_s3_reaches_the_server_by_itself(services, first_model):
    assert first_model.before == {"/health": 200, "/ready": 503, "/model": 503}
    print(
        f"pipeline run: {first_model.seconds_of_run:.1f} s; "
        f"from the promotion to the first answer: {first_model.seconds_to_server:.1f} s"
    )
    assert first_model.seconds_to_server < LONGEST_TO_SERVER_S
    assert serving(services) == first_model.version
    model = model_state(services.url)
    assert model["stale"] is False
    if services.real:
        assert first_model.result["promoted"] is True
        assert model["demonstration"] is None
        assert len(model["classes"]) == 7


def test_rollback_moves_the_server_back_and_history_names_every_move(services, first_model, second_model):
    services.promote(second_model, "looks better")
    seconds = wait_until(lambda: serving(services) == second_model, 15, "the promoted version")
    services.registry_command("rollback", "--why", "confuses barbel and roach")
    back = wait_until(lambda: serving(services) == first_model.version, 15, "the version before")
    print(f"after the command has returned: promotion seen in {seconds:.1f} s, rollback in {back:.1f} s")

    moves = [event for event in services.registry_command("history") if event["alias"] == "production"]
    assert [event["seq"] for event in moves] == sorted({event["seq"] for event in moves})
    promoted, rolled_back = moves[-2:]
    assert (promoted["from"], promoted["to"], promoted["action"]) == (
        first_model.version,
        second_model,
        "promoted",
    )
    assert promoted["why"] == "looks better"
    assert (rolled_back["from"], rolled_back["to"]) == (second_model, first_model.version)
    assert rolled_back["action"] == "rolled_back"
    assert rolled_back["why"] == "confuses barbel and roach"
    assert all(event["who"] and event["time"] for event in moves)


@pytest.mark.parametrize("name", ["mlflow", "s3", "postgres"])
def test_an_outage_costs_no_answer_and_the_server_catches_up(services, first_model, second_model, name):
    other = second_model if serving(services) == first_model.version else first_model.version
    started = time.monotonic()
    with Traffic(services.url, first_model.photos) as traffic:
        traffic.wait_for_predictions(5)
        failed_before = reload_failures(services)
        with services.without(name):
            if name == "s3":
                # Who only looks at the alias needs no artifact: the server has no reason to notice.
                traffic.wait_for_predictions(traffic.n_predictions + 30)
            else:
                wait_until(lambda: reload_failures(services) > failed_before, 60, "a look that fails")
                wait_until(lambda: model_state(services.url)["stale"], 10, "the server to call itself stale")
        services.promote(other, f"after the outage of {name}")
        caught_up = wait_until(lambda: other in traffic.first_seen, LONGEST_TO_SERVER_S, "the new version")
        wait_until(lambda: not model_state(services.url)["stale"], 15, "the server to be sure again")
        traffic.wait_for_predictions(traffic.n_predictions + 5)
    print(
        f"{name}: {traffic.n_predictions} predictions in {time.monotonic() - started:.1f} s, "
        f"caught up {caught_up:.1f} s after the promotion"
    )
    assert traffic.failures == []


def reload_failures(services) -> float:
    return metric(services.get("/metrics").text, 'fishid_model_reloads_total{result="source_failed"}')


def test_a_server_that_starts_without_the_registry_serves_its_last_bundle_and_says_so(
    services, first_model, serve
):
    # On the person's machine: a second server, which has seen the registry once.
    arguments = ["serve", "--registry", services.registry]
    before = serve(services.fishid, *arguments)
    before.wait_ready(60)
    version = requests.get(f"{before.url}/ready", timeout=5).json()["model_version"]
    before.stop()

    with services.without("mlflow"):
        server = serve(services.fishid, *arguments)
        seconds = server.wait_ready(60)
        print(f"without its registry a server is ready after {seconds:.1f} s")
        model = model_state(server.url)
        assert (model["stale"], model["version"]) == (True, version)
        assert metric(requests.get(f"{server.url}/metrics", timeout=5).text, "fishid_model_stale") == 1
        assert "stale" in server.output()
        assert server.predict(first_model.photos[0], name="a.png").status_code == 200
    wait_until(lambda: not model_state(server.url)["stale"], 30, "the server to be sure again")
    assert metric(requests.get(f"{server.url}/metrics", timeout=5).text, "fishid_model_stale") == 0
    server.stop()

    with services.frozen("mlflow"):
        server = serve(services.fishid, *arguments)
        # Minutes pass before all tries of one call have timed out.
        seconds = server.wait_ready(60)
        print(f"with a registry that says nothing a server is ready after {seconds:.1f} s")
        assert model_state(server.url)["stale"]
        assert server.predict(first_model.photos[0], name="a.png").status_code == 200
    wait_until(lambda: not model_state(server.url)["stale"], 60, "the server to be sure again")


def test_the_words_about_a_registry_that_is_away_name_it_without_secrets(services):
    with services.without("mlflow"):
        registry = services.registry.replace("://", "://person:secret-1b7c@")
        outcome = services.fishid("registry", "list", "--registry", registry)
        assert outcome.status == 1
        assert services.mlflow.removeprefix("http://") in outcome.err
        assert "secret-1b7c" not in outcome.err


def test_no_secret_is_written_down_anywhere(services, first_model, second_model):
    """Runs after the others, over what all of them left."""
    keys = services.stack.services["s3"].keys()
    password = services.stack.services["postgres"].password_file.read_text().strip().rpartition(":")[2]
    secrets = {"token": TOKEN, "database password": password, "S3 secret": keys["AWS_SECRET_ACCESS_KEY"]}

    places = {f"log of {name}": services.log(name) for name in services.stack.services}
    places["command line"] = "\n".join(services.fishid.said)
    places["processes"] = command_lines()
    for log in services.fishid.home.rglob("*.log"):
        places[log.name] = log.read_text(errors="replace")
    for record in services.fishid.home.glob("runs/*/run.json"):
        places[str(record)] = record.read_text()
    places["MLflow"] = mlflow_text(services)
    assert first_model.version in places["MLflow"]
    found = [
        f"{what} in {place}" for place, text in places.items() for what, s in secrets.items() if s in text
    ]
    assert found == []
    for file in ("pgpass", "s3.env", "state.json"):
        assert (services.stack.folder / file).stat().st_mode & 0o077 == 0, file


def mlflow_text(services) -> str:
    """Everything MLflow tells of runs, versions and their text artifacts."""
    api = f"{services.mlflow}/api/2.0/mlflow"
    name = "fish-classification"
    experiment = requests.get(f"{api}/experiments/get-by-name", params={"experiment_name": name}, timeout=30)
    ids = [experiment.json()["experiment"]["experiment_id"]]
    runs = requests.post(
        f"{api}/runs/search", json={"experiment_ids": ids, "max_results": 1000}, timeout=30
    ).json()
    versions = requests.get(f"{api}/model-versions/search", params={"max_results": 1000}, timeout=30).json()
    texts = [json.dumps([runs, versions])]
    for run in runs["runs"]:
        root = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
        for path in artifact_paths(services, root):
            if path.endswith((".json", ".md", ".html", ".yaml", ".txt", "MLmodel")):
                url = f"{services.mlflow}/api/2.0/mlflow-artifacts/artifacts/{path}"
                texts.append(requests.get(url, timeout=30).text)
    return "\n".join(texts)


def artifact_paths(services, folder: str) -> list[str]:
    url = f"{services.mlflow}/api/2.0/mlflow-artifacts/artifacts"
    listed = requests.get(url, params={"path": folder}, timeout=30).json().get("files", [])
    paths = []
    for entry in listed:
        path = f"{folder}/{entry['path']}"
        paths += artifact_paths(services, path) if entry["is_dir"] else [path]
    return paths
