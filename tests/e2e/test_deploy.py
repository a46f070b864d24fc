"""The deployment targets of the Makefile, with recording stubs of yc, kubectl, terraform, docker and helm."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUB = Path(__file__).parent / "cloud_stub.py"
TOOLS = ("yc", "kubectl", "terraform", "docker", "helm")
TARGETS = ["init", "terraform-plan", "terraform-apply", "deploy-k8s", "setup-airflow", "deploy-inference"]
TARGETS += ["deploy-all", "print-urls", "status", "destroy"]
FOLDER = "b1gbbbbbbbbbbbbbbbbb"
NAMESPACED = "--namespace ml-inference "
LIFTED = "-input=false -auto-approve -no-color -var=deletion_protection=false"


class Cloud:
    """A checkout of its own, and a PATH on which the tools are stubs."""

    def __init__(self, folder):
        self.checkout = folder / "checkout"
        self.stub = folder / "cloud"
        self.tools = folder / "bin"
        for made in (self.stub, self.tools, self.checkout / "terraform", self.checkout / "k8s" / "logging"):
            made.mkdir(parents=True)
        shutil.copytree(ROOT / "scripts", self.checkout / "scripts")
        shutil.copy(ROOT / "Makefile", self.checkout)
        (self.checkout / "terraform" / "terraform.tfvars").touch()
        # Its own test holds what this one does.
        airflow = self.checkout / "scripts" / "setup_airflow.sh"
        airflow.write_text('#!/bin/sh\nyc airflow-was-set-up "$FISHID_BUCKET" "$AIRFLOW_CLUSTER_ID"\n')
        airflow.chmod(0o755)
        (self.checkout / ".gitignore").write_text("/build\n.terraform\n")
        # A person's settings of Git are no part of a test.
        self.git_environment = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "as it is"]):
            who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
            subprocess.run(["git", *who, *command], cwd=self.checkout, env=self.environment(), check=True)
        for tool in TOOLS:
            self.install(tool)

    def install(self, tool):
        stub = self.tools / tool
        stub.write_text(f"#!{sys.executable}\n" + STUB.read_text().split("\n", 1)[1])
        stub.chmod(0o755)

    def environment(self, **extra):
        return {
            "PATH": f"{self.tools}:/usr/bin:/bin",
            "HOME": str(self.stub),
            "STUB_CLOUD": str(self.stub),
        } | (self.git_environment | extra)

    def make(self, target, *settings, status=0, words="", env=None):
        """Calls a target; gives what it said and the calls that it made."""
        calls = self.stub / "calls.jsonl"
        calls.unlink(missing_ok=True)
        done = subprocess.run(
            ["make", "--no-print-directory", target, *settings],
            cwd=self.checkout,
            env=self.environment(**(env or {})),
            input=words,
            capture_output=True,
            text=True,
            timeout=120,
        )
        said = done.stdout + done.stderr
        assert (done.returncode != 0) == (status != 0), said
        made = [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []
        kubeconfig = f"--kubeconfig {self.checkout}/build/deploy/kubeconfig "
        return said, [" ".join(call).replace(kubeconfig, "") for call in made]

    def has(self, **things):
        file = self.stub / "made.json"
        before = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(
            json.dumps(before | {name.replace("_", " "): value for name, value in things.items()})
        )

    def made(self, name):
        return json.loads((self.stub / "made.json").read_text()).get(name)

    def goes_wrong(self, *patterns):
        (self.stub / "wrong.json").write_text(json.dumps([[pattern, 1] for pattern in patterns]))

    def tag(self):
        done = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            cwd=self.checkout,
            env=self.environment(),
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()


@pytest.fixture
def cloud(tmp_path):
    return Cloud(tmp_path)


@pytest.fixture
def standing(cloud):
    """A cloud in which Terraform has made everything."""
    cloud.has(infrastructure=True, crds=["externalsecrets", "servicemonitors"])
    return cloud


def in_order(calls, *expected):
    """Each of `expected` begins a call, one after the other; others may stand between."""
    rest = iter(calls)
    for beginning in expected:
        assert any(call.startswith(beginning) for call in rest), (beginning, calls)


@pytest.mark.parametrize("target", TARGETS)
def test_a_dry_run_calls_nothing(cloud, target):
    said, calls = cloud.make(target, "DRY_RUN=1")
    if target == "setup-airflow":
        assert calls == ["yc airflow-was-set-up <bucket> <airflow_cluster_id>"], (
            "that script keeps to DRY_RUN itself"
        )
    elif target == "deploy-all":
        assert [call for call in calls if "airflow-was-set-up" not in call] == []
    else:
        assert calls == []
    assert "would" in said or target in ("print-urls", "setup-airflow")
    assert not (cloud.checkout / "build").exists()


@pytest.mark.parametrize(
    "target", ["deploy-k8s", "deploy-inference", "deploy-all", "print-urls", "status", "destroy"]
)
def test_all_tools_that_are_missing_are_named_before_anything_is_done(cloud, target):
    for tool in ("yc", "kubectl"):
        (cloud.tools / tool).unlink()
    # kubectl may be installed on this machine.
    said, calls = cloud.make(target, status=1, env={"PATH": f"{cloud.tools}:{only_needed(cloud)}"})
    assert "missing: yc: https://" in said
    assert "missing: kubectl ≥ 1.30: https://" in said
    assert calls == []


def only_needed(cloud):
    """A folder with what the scripts take for granted, and none of the tools of the cloud."""
    folder = cloud.stub / "plain"
    folder.mkdir(exist_ok=True)
    for name in ("bash", "sh", "make", "dirname", "python3", "git", "sort", "head", "mkdir", "env", "cat"):
        (folder / name).symlink_to(shutil.which(name))
    return folder


def test_apply_prepares_plans_and_applies_that_plan_once(cloud):
    said, calls = cloud.make("terraform-apply")
    in_order(
        calls,
        "terraform version",
        "terraform -chdir=terraform init",
        "yc iam create-token",
        "terraform -chdir=terraform plan -input=false -no-color -detailed-exitcode -out=terraform.tfplan",
        "terraform -chdir=terraform show -json terraform.tfplan",
        "terraform -chdir=terraform apply -input=false -no-color terraform.tfplan",
    )
    said, calls = cloud.make("terraform-apply", env={"YC_TOKEN": "given"})
    assert "nothing to do" in said
    assert [call.split()[1:3] for call in calls] == [["version", "-json"], ["-chdir=terraform", "plan"]]


def test_a_plan_that_deletes_is_not_applied_unless_that_is_said(cloud):
    cloud.has(replaces=True)
    said, calls = cloud.make("terraform-apply", status=1)
    assert "deletes or replaces module.postgresql.db" in said
    assert "ALLOW_DELETE=1" in said
    assert not any(" apply " in call for call in calls)
    cloud.make("terraform-apply", "ALLOW_DELETE=1")
    assert cloud.made("infrastructure")


def test_terraform_that_is_too_old_and_missing_values_are_said(cloud):
    cloud.has(**{"terraform_version": "1.4.9"})
    file = cloud.stub / "made.json"
    file.write_text(json.dumps({"terraform_version": "1.4.9"}))
    said, _ = cloud.make("init", status=1)
    assert "this is Terraform 1.4.9: 1.5 or newer is needed" in said
    file.write_text(json.dumps({"terraform_version": "1.11.4"}))
    (cloud.checkout / "terraform" / "terraform.tfvars").unlink()
    said, calls = cloud.make("terraform-apply", status=2)
    assert "copy terraform/terraform.tfvars.example" in said
    assert [call.split()[1] for call in calls] == ["version"]


def test_what_terraform_did_not_make_cannot_be_deployed_to(cloud):
    for target in ("deploy-k8s", "deploy-inference", "print-urls", "destroy"):
        said, calls = cloud.make(target, status=1)
        assert "run make terraform-apply first" in said
        assert len(calls) == 1


def test_the_cluster_gets_its_parts_in_order(standing):
    said, calls = standing.make("deploy-k8s")
    image = f"cr.yandex/crp1/fishid-mlflow:{standing.tag()}"
    in_order(
        calls,
        "yc managed-kubernetes cluster get-credentials cat1 --external --force",
        "yc container registry configure-docker",
        f"docker build --file docker/mlflow.Dockerfile --tag {image} .",
        f"docker push {image}",
        "kubectl apply --filename k8s/namespace.yaml",
        "yc iam key create --service-account-id ajesecrets --output",
        f"kubectl {NAMESPACED}create secret generic lockbox-key --from-file=key.json=",
        "kubectl kustomize build/deploy/overlay",
        "kubectl apply --selector app.kubernetes.io/name notin (inference-api,frontend)",
        f"kubectl {NAMESPACED}rollout status statefulset/redis",
        f"kubectl {NAMESPACED}rollout status deployment/mlflow",
        "kubectl apply --kustomize k8s/logging",
        "kubectl --namespace fishid-logging patch configmap fluent-bit-settings",
    )
    (patch,) = [call for call in calls if "fluent-bit-settings" in call]
    assert '"LOG_GROUP_ID":"e231"' in patch
    overlay = (standing.checkout / "build/deploy/overlay/kustomization.yaml").read_text()
    assert "newName: cr.yandex/crp1/fishid-server" in overlay
    assert "POSTGRES_HOST: c-c9q1.rw.mdb.yandexcloud.net" in overlay
    assert "ARTIFACTS_BUCKET: fishid-photos" in overlay
    assert "ServiceMonitor" not in overlay
    keys = [call.split("--output ")[1] for call in calls if "iam key create" in call]
    assert not Path(keys[0]).exists(), "the key is in no file afterwards"


def test_a_second_call_builds_no_image_and_makes_no_key(standing):
    standing.make("deploy-k8s")
    said, calls = standing.make("deploy-k8s")
    assert "in the registry already" in said
    assert "the key for Lockbox is there" in said
    assert not [call for call in calls if " build " in call or " push " in call or "key create" in call]


def test_what_the_cluster_does_not_know_is_installed_or_left_out(standing):
    standing.has(crds=[])
    said, calls = standing.make("deploy-k8s")
    in_order(calls, "helm upgrade --install external-secrets", "kubectl apply --selector")
    assert "every ServiceMonitor is left out" in said
    assert "$patch: delete" in (standing.checkout / "build/deploy/overlay/kustomization.yaml").read_text()


def test_a_failure_names_the_step_and_the_next_call_goes_on(standing):
    standing.goes_wrong("rollout status deployment/mlflow")
    said, calls = standing.make("deploy-k8s", status=1)
    assert "stopped while waiting for deployment/mlflow" in said
    assert "call make deploy-k8s again" in said
    assert not any("k8s/logging" in call for call in calls), "nothing after the step is done"
    standing.goes_wrong()
    said, calls = standing.make("deploy-k8s")
    assert not [call for call in calls if " build " in call or "key create" in call]
    in_order(
        calls,
        f"kubectl {NAMESPACED}rollout status deployment/mlflow",
        "kubectl apply --kustomize k8s/logging",
    )


def test_work_that_is_not_committed_gets_a_tag_of_its_own(standing):
    standing.make("deploy-k8s")
    (standing.checkout / "Makefile").open("a").write("\n# changed\n")
    _, calls = standing.make("deploy-k8s")
    (build,) = [call for call in calls if call.startswith("docker build")]
    assert f"fishid-mlflow:{standing.tag()}-" in build
    _, calls = standing.make("deploy-k8s")
    assert not [call for call in calls if call.startswith("docker build")]


def test_the_api_and_the_page_are_built_pushed_and_rolled_out(standing):
    standing.has(namespace=True)
    _, calls = standing.make("deploy-inference")
    registry, tag = "cr.yandex/crp1", standing.tag()
    in_order(
        calls,
        f"docker build --file docker/server.Dockerfile --tag {registry}/fishid-server:{tag} .",
        f"docker push {registry}/fishid-server:{tag}",
        f"docker build --file docker/frontend.Dockerfile --tag {registry}/fishid-frontend:{tag} .",
        f"docker push {registry}/fishid-frontend:{tag}",
        "kubectl apply --selector app.kubernetes.io/name in (inference-api,frontend)",
        f"kubectl {NAMESPACED}rollout status deployment/frontend",
        f"kubectl {NAMESPACED}rollout status deployment/inference-api",
    )


def test_servers_without_a_model_are_told_from_servers_that_do_not_start(standing):
    standing.has(namespace=True, pods_run=True)
    standing.goes_wrong("rollout status deployment/inference-api")
    said, _ = standing.make("deploy-inference")
    assert "Start the DAG fish_classification_training_full" in said
    standing.has(pods_run=False)
    said, _ = standing.make("deploy-inference", status=1)
    assert "no replica of the API runs" in said


def test_inference_wants_the_cluster_to_be_prepared(standing):
    said, calls = standing.make("deploy-inference", status=1)
    assert "run make deploy-k8s first" in said
    assert not any(call.startswith("docker") for call in calls)


def photographs(cloud):
    """A folder, and a stub of the program that brings it."""
    (cloud.checkout / "datasets_final" / "processed_images").mkdir(parents=True)
    program = cloud.stub / "fishid"
    program.write_text('#!/bin/sh\nexec yc fishid "$@"\n')
    program.chmod(0o755)
    return {"FISHID_BIN": str(program)}


def test_all_goes_from_nothing_to_a_page_in_the_order_of_the_readme(cloud):
    cloud.has(crds=["servicemonitors"])
    said, calls = cloud.make("deploy-all", env=photographs(cloud))
    in_order(
        calls,
        "terraform -chdir=terraform apply",
        "kubectl apply --filename k8s/namespace.yaml",
        f"kubectl {NAMESPACED}rollout status deployment/mlflow",
        "yc airflow-was-set-up fishid-photos afl1",
        "yc fishid data upload datasets_final/processed_images s3://fishid-photos/datasets/fish",
        "docker push cr.yandex/crp1/fishid-server",
        f"kubectl {NAMESPACED}rollout status deployment/inference-api",
        "kubectl get service",
    )
    assert "Airflow:  https://c-afl1.airflow.yandexcloud.net" in said


def test_all_says_where_it_stopped_and_does_not_repeat_what_is_done(cloud):
    cloud.has(crds=["servicemonitors"])
    settings = photographs(cloud)
    cloud.goes_wrong("docker push cr.yandex/crp1/fishid-frontend")
    said, _ = cloud.make("deploy-all", status=1, env=settings)
    assert "stopped while pushing cr.yandex/crp1/fishid-frontend" in said
    assert "stopped in deploy-inference" in said
    assert "call make deploy-all again" in said
    cloud.goes_wrong()
    _, calls = cloud.make("deploy-all", env=settings)
    assert not [call for call in calls if "terraform apply" in call or "key create" in call]
    assert [call.split("/")[-1].split(":")[0] for call in calls if call.startswith("docker push")] == [
        "fishid-frontend"
    ]


def test_all_without_photographs_says_how_to_bring_them_later(cloud):
    cloud.has(crds=["servicemonitors"])
    said, calls = cloud.make("deploy-all")
    assert "no photographs are brought" in said
    assert not [call for call in calls if "fishid data" in call]


def test_addresses_are_those_of_load_balancers_else_of_nodes(standing):
    standing.has(
        services={
            "frontend": {"spec": {"ports": [{"nodePort": 30080}]}},
            "grafana": {"spec": {}, "status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.4"}]}}},
            "mlflow": {"spec": {"ports": [{"port": 5000}]}},
        }
    )
    said, _ = standing.make("print-urls")
    assert said.splitlines()[0] == "Frontend: http://10.12.0.3:30080"
    assert said.splitlines()[1] == "Grafana:  http://198.51.100.4:3000"
    assert "port-forward --namespace ml-inference service/mlflow 5000" in said.splitlines()[2]
    assert said.splitlines()[3] == "Airflow:  https://c-afl1.airflow.yandexcloud.net"
    standing.has(services={})
    assert "Grafana:  not there" in standing.make("print-urls")[0]


def test_status_is_a_line_a_part_and_fails_when_one_is_not_well(standing):
    said, _ = standing.make("status")
    lines = said.splitlines()
    assert [line.split()[0] for line in lines] == ["ok"] * 8
    assert "deployment/inference-api   2 of 2 ready" in said
    standing.has(ready={"deployment/inference-api": 1}, **{"managed-postgresql status": "STOPPED"})
    said, calls = standing.make("status", status=1)
    assert sorted(line.split()[1] for line in said.splitlines() if line.startswith("no ")) == [
        "deployment/inference-api",
        "postgresql",
    ]
    assert not [call for call in calls if " apply" in call or " create" in call or " delete" in call]


def test_status_of_nothing_says_that_there_is_nothing(cloud):
    said, _ = cloud.make("status", status=1)
    assert "make terraform-apply" in said


STATE = [
    "module.network.yandex_vpc_network.this",
    "module.postgresql.yandex_mdb_postgresql_cluster.this",
    'module.secrets.yandex_lockbox_secret.password["redis"]',
]


def test_destroying_says_what_is_lost_and_takes_only_the_folders_id(standing):
    standing.has(state=STATE)
    for words in ("yes\n", "\n", ""):
        said, calls = standing.make("destroy", status=1, words=words)
        assert "every run and version that MLflow knows" in said
        assert "othing was deleted" in said
        assert not [call for call in calls if "destroy" in call or "delete" in call or " apply" in call]
    said, calls = standing.make("destroy", words=f"{FOLDER}\n")
    in_order(
        calls,
        "kubectl delete namespace ml-inference fishid-logging monitoring",
        f"terraform -chdir=terraform apply {LIFTED} "
        "-target=module.postgresql.yandex_mdb_postgresql_cluster.this "
        "-target=module.secrets.yandex_lockbox_secret.password",
        f"terraform -chdir=terraform destroy {LIFTED}",
    )
    (lifted,) = [call for call in calls if " apply " in call]
    assert "airflow" not in lifted, "what is not there any more is not made again"


def test_destroying_keeps_the_photographs_unless_they_are_named(standing):
    standing.has(state=[*STATE, "module.storage.yandex_storage_bucket.this"], photographs=True)
    said, calls = standing.make("destroy", f"CONFIRM={FOLDER}", status=1)
    assert "DELETE_BUCKET=1" in said
    assert not [call for call in calls if "terraform destroy" in call or "delete" in call]
    _, calls = standing.make("destroy", f"CONFIRM={FOLDER}", "DELETE_BUCKET=1")
    assert [call for call in calls if "destroy" in call and "-var=bucket_force_destroy=true" in call]


def test_destroying_goes_on_after_the_cluster_is_gone(standing):
    standing.has(state=STATE[:1])
    standing.goes_wrong("yc managed-kubernetes cluster get cat1")
    said, calls = standing.make("destroy", f"CONFIRM={FOLDER}")
    assert "the cluster is gone already" in said
    assert not [call for call in calls if call.startswith("kubectl") or " apply " in call]
    assert calls[-1].startswith("terraform -chdir=terraform destroy")
