"""terraform/ against the real provider's schema: valid, planned without a network, nothing given away."""

import importlib.util
import json
import os
import re
import subprocess
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from terraform_lab import LEAST, SOURCE, TerraformLab

OF_THE_README = ["cloud_id", "folder_id", "zone", "services_subnet_cidr", "k8s_subnet_cidr"]
OF_THE_README += ["ssh_public_key_path"]
OF_THE_README += ["postgres_airflow_password", "grafana_admin_password", "airflow_admin_password"]
LOGGING = SOURCE / "modules" / "logging"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return TerraformLab(tmp_path_factory.mktemp("terraform"))


@pytest.fixture(scope="module")
def plan(lab):
    return lab.plan()


def test_files_are_formatted_and_valid_without_a_warning(lab):
    lab.run("fmt", "-check", "-recursive", "-diff")
    said = json.loads(lab.run("validate", "-json"))
    assert said["valid"]
    assert said["diagnostics"] == []


def test_an_empty_folder_gets_every_part_of_the_system(plan):
    kinds = {address.split("[")[0].split(".")[-2] for address in plan.made}
    assert kinds >= {
        "yandex_vpc_subnet",
        "yandex_vpc_gateway",
        "yandex_vpc_security_group",
        "yandex_iam_service_account",
        "yandex_kms_symmetric_key",
        "yandex_lockbox_secret",
        "yandex_storage_bucket",
        "yandex_kubernetes_cluster",
        "yandex_kubernetes_node_group",
        "yandex_mdb_postgresql_cluster",
        "yandex_airflow_cluster",
        "yandex_container_registry",
        "yandex_container_repository_lifecycle_policy",
        "yandex_logging_group",
    }
    # The DAG makes Spark clusters, so that none is paid for while idle.
    assert "yandex_dataproc_cluster" not in kinds
    ranges = {tuple(subnet["v4_cidr_blocks"]) for subnet in plan.of("yandex_vpc_subnet").values()}
    assert ranges == {("10.11.0.0/24",), ("10.12.0.0/16",)}
    databases = {database["name"] for database in plan.of("yandex_mdb_postgresql_database").values()}
    assert databases == {"airflow", "mlflow"}


def test_kubernetes_grows_and_shrinks_on_the_version_that_was_asked_for(plan):
    cluster = plan.one("yandex_kubernetes_cluster")
    assert cluster["master"][0]["version"] == "1.30"
    assert cluster["network_implementation"][0]["cilium"] == [{}]
    scale = plan.one("yandex_kubernetes_node_group")["scale_policy"][0]["auto_scale"][0]
    assert scale == {"min": 3, "max": 8, "initial": 3}


def test_no_machine_has_an_address_on_the_internet(plan):
    group = plan.one("yandex_kubernetes_node_group")
    assert group["instance_template"][0]["network_interface"][0]["nat"] is False
    for host in plan.one("yandex_mdb_postgresql_cluster")["host"]:
        assert host["assign_public_ip"] is False
    assert all(subnet["name"] for subnet in plan.of("yandex_vpc_subnet").values())


def test_only_the_page_is_open_to_everybody(plan):
    open_to_all = []
    for address, group in plan.of("yandex_vpc_security_group").items():
        for rule in group["ingress"]:
            if "0.0.0.0/0" in (rule["v4_cidr_blocks"] or []):
                open_to_all.append((address.split(".")[-1], rule["from_port"], rule["to_port"]))
    assert open_to_all == [("nodes", 30000, 32767)]
    masters = plan.of("yandex_vpc_security_group.masters")
    (masters,) = masters.values()
    assert ["203.0.113.7/32"] in [rule["v4_cidr_blocks"] for rule in masters["ingress"]]


def test_service_accounts_have_only_roles_of_one_service_each(plan):
    roles = {}
    for address, grant in plan.of("yandex_resourcemanager_folder_iam_member").items():
        account, role = re.search(r'\["(\S+) (\S+)"\]', address).groups()
        assert grant["role"] == role
        roles.setdefault(account, set()).add(role)
    every = set().union(*roles.values())
    # Roles that reach over all services, or that give out roles.
    assert not every & {
        "admin",
        "editor",
        "viewer",
        "resource-manager.admin",
        "iam.serviceAccounts.user",
        "iam.admin",
    }
    assert not [role for role in every if role.startswith(("lockbox", "kms", "container-registry"))]
    assert roles["nodes"] == {"logging.writer"}
    assert roles["bucket"] == {"storage.editor"}
    accounts = {account["name"] for account in plan.of("yandex_iam_service_account").values()}
    assert {"fishid-secrets", "fishid-alerts", "fishid-autoscaling"} <= accounts
    assert "secrets" not in roles, "it reads the secrets that are named to it, no others"


def test_bucket_keeps_versions_encrypts_and_refuses_what_comes_without_tls(plan):
    bucket = plan.one("yandex_storage_bucket")
    assert bucket["versioning"] == [{"enabled": True}]
    encryption = bucket["server_side_encryption_configuration"][0]["rule"][0]
    assert encryption["apply_server_side_encryption_by_default"][0]["sse_algorithm"] == "aws:kms"
    denied = [rule for rule in json.loads(bucket["policy"])["Statement"] if rule["Effect"] == "Deny"]
    assert [rule["Condition"] for rule in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]
    assert bucket["force_destroy"] is False
    assert {rule["id"] for rule in bucket["lifecycle_rule"]} >= {"what was overwritten or deleted"}


def test_every_secret_is_made_by_lockbox_unless_a_person_chose_it(lab, plan):
    generated = {
        address
        for address, secret in plan.of("yandex_lockbox_secret.password").items()
        if secret["password_payload_specification"]
    }
    assert len(generated) == 5
    chosen = "A-Chosen-Passw0rd-Of-Mine"
    mine = lab.plan(
        grafana_admin_password=chosen, postgres_airflow_password=chosen, airflow_admin_password=chosen
    )
    kept = mine.of("yandex_lockbox_secret_version_hashed")
    assert len(kept) == 3
    still = [
        s for s in mine.of("yandex_lockbox_secret.password").values() if s["password_payload_specification"]
    ]
    assert len(still) == 2, "Redis and MLflow's user"
    assert chosen not in lab.run("show", "-no-color", "plan"), "Terraform hides what it shows"
    # A key for the bucket goes straight into Lockbox.
    (key,) = plan.of("yandex_iam_service_account_static_access_key").values()
    assert key["output_to_lockbox"][0]["entry_for_secret_key"] == "secret_key"


def test_no_output_is_a_secret(plan):
    outputs = plan.document["planned_values"]["outputs"]
    assert not [name for name, output in outputs.items() if output["sensitive"]]
    assert outputs["bucket"]["value"] == f"fishid-{LEAST['folder_id']}"
    for name in ("registry", "k8s_cluster_id", "airflow_url", "postgres_host", "secret_ids", "training"):
        assert name in outputs


BAD_VALUES = {
    "cloud_id": ("my-cloud", "yc config get cloud-id"),
    "folder_id": ("B1G", "yc config get folder-id"),
    "zone": ("ru-central1-c", "ru-central1-a, ru-central1-b or ru-central1-d"),
    "name": ("F", "3 to 20 lower-case letters"),
    "bucket_name": ("my.bucket", "a dot would break TLS"),
    "services_subnet_cidr": ("10.11.0.0", "such as 10.11.0.0/24"),
    "k8s_subnet_cidr": ("10.12.0.0/8", "such as 10.12.0.0/16"),
    "admin_cidrs": (["0.0.0.0/0"], "the whole internet (/0) is not taken"),
    "frontend_cidrs": ([], '["0.0.0.0/0"] is everybody'),
    "ssh_public_key_path": ("/etc/hostname", "no readable OpenSSH public key"),
    "postgres_airflow_password": ("short", "Leave it out to get a generated one"),
    "grafana_admin_password": ("short", "grafana_admin_password has 12 to 128 characters"),
    "airflow_admin_password": ("only-small-letters", "a small letter, a capital and a digit"),
    "alert_webhook_url": ("http://plain", "https:// address"),
    "k8s_version": ("1.22", "1.30 or newer"),
    "node_cores": (3, "standard-v3"),
    "node_memory_gb": (1, "4 to 256"),
    "nodes_min": (0.5, "whole number from 1 to 100"),
    "nodes_max": (1000, "nodes_max is a whole number"),
    "postgres_preset": ("big", "such as s3-c2-m8"),
    "postgres_disk_gb": (1, "10 to 2048"),
    "postgres_hosts": (4, "1, 2 or 3"),
    "airflow_preset": ("big", "such as c1-m4"),
    "airflow_workers_max": (0, "1 to 16"),
    "log_retention_days": (365, "1 to 31"),
}


def test_each_value_that_cannot_be_is_refused_with_its_remedy(lab):
    said = lab.refusal(**{name: value for name, (value, _) in BAD_VALUES.items()})
    missing = [f"{name}: {remedy}" for name, (_, remedy) in BAD_VALUES.items() if remedy not in said]
    assert not missing, said


def test_fewer_nodes_at_most_than_at_least_are_refused(lab):
    assert "nodes_max (2) is less than nodes_min (5)" in lab.refusal(nodes_min=5, nodes_max=2)


def test_every_variable_with_a_rule_is_tried(lab):
    text = "".join((SOURCE / name).read_text() for name in ("variables.tf", "variables_sizes.tf"))
    with_rule = {
        block.split('"')[1] for block in re.split(r"(?m)^(?=variable )", text) if "validation {" in block
    }
    assert with_rule == set(BAD_VALUES)


def test_example_has_the_names_of_the_readme_and_is_taken_once_filled_in(lab):
    example = (SOURCE / "terraform.tfvars.example").read_text()
    for name in OF_THE_README:
        assert re.search(rf"(?m)^(# )?{name} +=", example), name
    assert not re.search(r'(?m)^\w*password\s*=\s*"[^"]+"', example), "no password has a default"
    filled = lab.folder / "filled.tfvars"
    filled.write_text(example.replace("b1gxxxxxxxxxxxxxxxxx", LEAST["cloud_id"]))
    lab.run("plan", "-input=false", "-no-color", f"-var-file={filled}")


def test_errors_in_the_logs_are_announced_only_where_an_address_was_given(lab, plan):
    assert not plan.of("yandex_function_trigger")
    told = lab.plan(alert_webhook_url="https://hooks.example/T0")
    trigger = told.one("yandex_function_trigger")
    assert trigger["logging"][0]["levels"] == ["ERROR", "FATAL"]
    function = told.one("yandex_function.log_alert")
    assert not function["environment"], "the address is a secret of Lockbox, not a setting"
    assert function["secrets"][0]["environment_variable"] == "WEBHOOK_URL"


def log_alert():
    spec = importlib.util.spec_from_file_location("log_alert", LOGGING / "log_alert.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_archive_of_the_function_is_made_from_its_source():
    with zipfile.ZipFile(LOGGING / "log_alert.zip") as archive:
        assert archive.namelist() == ["log_alert.py"]
        assert archive.read("log_alert.py") == (LOGGING / "log_alert.py").read_bytes(), (
            "run python3 terraform/modules/logging/pack.py"
        )


def test_the_function_sends_the_first_errors_and_their_number(monkeypatch):
    got = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):  # noqa: N802
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        monkeypatch.setenv("WEBHOOK_URL", f"http://127.0.0.1:{server.server_port}/")
        records = [{"timestamp": f"T{n}", "level": "ERROR", "message": f"broke\n{n}"} for n in range(7)]
        event = {"messages": [{"details": {"messages": records[:4]}}, {"details": {"messages": records[4:]}}]}
        assert log_alert().handler(event, None) == {"announced": 7}
        assert log_alert().handler({"messages": []}, None) == {"announced": 0}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    (sent,) = got
    lines = sent["text"].splitlines()
    assert lines[0] == "fishid: 7 errors in the logs"
    assert lines[1] == "T0 ERROR broke 0"
    assert lines[-1] == "… and 2 more"


def test_policy_scan_finds_nothing_but_what_is_explained_in_place():
    checkov = os.environ.get("FISHID_CHECKOV")
    if not checkov:
        pytest.skip("FISHID_CHECKOV is not set: `make test` sets it to the program checkov")
    scan = [
        checkov,
        "--directory",
        str(SOURCE),
        "--framework",
        "terraform",
        "--skip-download",
        "--output",
        "json",
    ]
    done = subprocess.run([*scan, "--compact"], capture_output=True, text=True, timeout=300)
    found = json.loads(done.stdout)
    assert found["summary"]["failed"] == 0, [c["check_id"] for c in found["results"]["failed_checks"]]
    assert found["summary"]["passed"] >= 15
    assert found["summary"]["parsing_errors"] == 0
    explained = {
        c["check_id"]: c["check_result"]["suppress_comment"] for c in found["results"]["skipped_checks"]
    }
    assert set(explained) == {"CKV_YC_5", "CKV_YC_16"}
    assert all(len(reason) > 40 for reason in explained.values())
