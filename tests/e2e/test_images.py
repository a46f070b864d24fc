"""docker/: images that are really built and run, where buildah can, and what compose.yaml says."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import requests
from conftest import BINARY, free_port

ROOT = Path(__file__).parents[2]
DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
# Everything but the model.
MOST_BYTES = 190_000_000
SERVICES = {"postgres", "buckets", "s3", "mlflow", "redis", "api-1", "api-2", "frontend"}
SERVICES |= {"pushgateway", "prometheus", "grafana"}


class Builder:
    """buildah with a store of its own, which is deleted after the tests."""

    def __init__(self, folder):
        archive = os.environ.get("FISHID_DEBIAN_ROOT")
        if not archive or not shutil.which("buildah"):
            pytest.skip(
                "FISHID_DEBIAN_ROOT is not set: `make test` sets it where root, buildah and debootstrap are"
            )
        self.store = [
            "--root",
            str(folder / "root"),
            "--runroot",
            str(folder / "run"),
            "--storage-driver",
            "vfs",
        ]
        self.folder = folder
        container = self("from", "scratch")
        self("add", "--quiet", container, archive, "/")
        self("commit", "--quiet", container, "localhost/debian")
        self("rm", container)

    def __call__(self, *arguments):
        done = subprocess.run(
            ["buildah", *self.store, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def build(self, name):
        """The image as the Dockerfile says, from what this machine compiled; its bases are a Debian root."""
        bases = [f"--build-arg={base}=localhost/debian" for base in ("RUST", "DEBIAN", "NODE", "NGINX")]
        dockerfile = f"--file=docker/{name}.Dockerfile"
        how = ["--quiet", "--format=docker", "--pull-never", "--isolation=chroot", "--build-arg=GIVEN=1"]
        self("build", *how, *bases, dockerfile, f"--tag=fishid-{name}", ".")
        return Image(self, f"fishid-{name}")


class Image:
    def __init__(self, builder, name):
        self.builder = builder
        self.config = json.loads(builder("inspect", "--type=image", name))["Docker"]["config"]
        self.container = builder("from", "--pull-never", name)
        self.files = Path(builder("mount", self.container))

    def start(self, *arguments, volumes=()):
        """Runs the image's program as the image says, in its files; the network is the machine's."""
        mounts = [f"--volume={volume}" for volume in volumes]
        program = [*self.config["Entrypoint"], *arguments]
        return Running(self.command(mounts, program), self.builder.folder / f"{self.container}.log")

    def start_with_output_of_its_own(self, env):
        """As `start`, without buildah, which hands on an output of root's: Nginx opens /dev/stdout again."""
        inside = (
            'mount --rbind /dev "$1/dev" && mount --rbind /proc "$1/proc" && '
            'exec chroot --userspec=65532:65532 "$@"'
        )
        command = ["unshare", "--mount", "sh", "-c", inside, "sh", self.files, *self.config["Entrypoint"]]
        return Running(command, self.builder.folder / f"{self.container}.log", env)

    def command(self, mounts, program):
        run = ["buildah", *self.builder.store, "run", "--isolation=chroot", *mounts]
        return [*run, self.container, "--", *program]


class Running:
    """A container's process, and what it said."""

    def __init__(self, command, log, env=None):
        self.log = log
        with log.open("w") as written:
            os.fchmod(written.fileno(), 0o666)
            self.process = subprocess.Popen(
                command,
                stdout=written,
                stderr=written,
                start_new_session=True,
                env=os.environ | {name: str(value) for name, value in (env or {}).items()},
            )

    def wait_for(self, url, seconds=120):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if requests.get(url, timeout=2).ok:
                    return
            except requests.ConnectionError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"{url} does not answer after {seconds} s: {self.log.read_text()}")

    def end(self):
        """The whole of it, as an orchestrator does."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                raise
        return self.log.read_text()


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    made = subprocess.run(
        [ROOT / "scripts" / "image_files.sh"],
        env=os.environ | {"FISHID_BIN": str(BINARY)},
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    yield Builder(folder)
    subprocess.run(["umount", "--recursive", "--lazy", folder / "root"], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def server_image(builder):
    return builder.build("server")


def test_server_image_is_small_and_holds_only_what_it_loads(server_image):
    files = [path for path in server_image.files.rglob("*") if path.is_file() and not path.is_symlink()]
    total = sum(path.stat().st_size for path in files)
    print(f"the server's image: {total / 1e6:.1f} MB in {len(files)} files")
    assert total <= MOST_BYTES
    names = {path.name for path in files}
    assert not names & {"sh", "bash", "dash", "busybox", "apt-get", "dpkg"}
    assert not [name for name in names if re.search("gpu|npu|cuda|hetero|tensorrt", name)]
    assert {"fishid", "libopenvino_intel_cpu_plugin.so", "ca-certificates.crt"} <= names


def test_server_image_runs_as_nobody_in_files_that_are_not_its_own(server_image):
    assert server_image.config["User"] == "65532:65532"
    health = server_image.config["Healthcheck"]["Test"]
    assert health == ["CMD", "/usr/bin/fishid", "health", "--url", "http://127.0.0.1:8080"]
    writable = set()
    for path in server_image.files.rglob("*"):
        state = path.lstat()
        if not path.is_symlink() and (state.st_uid == 65532 or state.st_mode & 0o002):
            writable.add("/" + str(path.relative_to(server_image.files)))
        assert not state.st_mode & 0o6000, f"{path} runs as another"
    assert writable == {"/tmp", "/var/lib/fishid"}


def test_server_in_its_image_answers_as_the_program_does(server_image, small_bundle, small_fish, fishid):
    bundle, _ = small_bundle
    photo = next(small_fish.rglob("*.jpg"))
    expected = fishid.ok("predict", bundle, photo, "--json").json()
    address = f"127.0.0.1:{free_port()}"
    # The photographs of a test lie in folders of their own, which others may not enter.
    public = Path(server_image.builder.folder / "bundle")
    shutil.copytree(bundle, public)
    for path in [public, *public.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    process = server_image.start(
        "serve", "--bundle", "/model", "--listen", address, volumes=[f"{public}:/model:ro"]
    )
    try:
        process.wait_for(f"http://{address}/ready")
        answer = requests.post(
            f"http://{address}/predict", files={"file": photo.read_bytes()}, timeout=60
        ).json()
        health = server_image.command([], ["/usr/bin/fishid", "health", "--url", f"http://{address}"])
        assert subprocess.run(health, timeout=30).returncode == 0
    finally:
        said = process.end()
    assert answer["predicted_class"] == expected["predicted_class"], said
    assert answer["confidence"] == pytest.approx(expected["confidence"], abs=0.02)


def test_bill_of_materials_names_every_crate_with_its_hash_and_none_of_the_tests(server_image):
    bill = json.loads((server_image.files / "usr/share/doc/fishid/sbom.cdx.json").read_text())
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "fishid")
    parts = {part["name"]: part for part in bill["components"]}
    assert {"tokio", "axum", "ort", "onnxruntime-openvino", "bootstrap", "fishid-engine"} <= set(parts)
    assert not {"assert_cmd", "proptest", "fishid-testing"} & set(parts)
    crates = [part for part in bill["components"] if part["purl"].startswith("pkg:cargo/")]
    assert all("hashes" in part for part in crates if not part["name"].startswith("fishid-"))
    assert len({part["bom-ref"] for part in bill["components"]}) == len(bill["components"])


def test_frontend_image_serves_the_page_as_nobody(builder):
    image = builder.build("frontend")
    assert image.config["User"] == "65532:65532"
    port, status = free_port(), free_port()
    settings = {
        "FISHID_NGINX_PORT": port,
        "FISHID_NGINX_STATUS": f"127.0.0.1:{status}",
        "FISHID_API_REPLICAS": f"127.0.0.1:{free_port()}",
    }
    process = image.start_with_output_of_its_own(settings)
    try:
        process.wait_for(f"http://127.0.0.1:{port}/healthz")
        page = requests.get(f"http://127.0.0.1:{port}/", timeout=10)
        assert "<html" in page.text
        assert "app.js?v=" in page.text
        assert requests.get(f"http://127.0.0.1:{port}/model", timeout=30).status_code in (502, 503, 504)
    finally:
        process.end()


def test_dockerfiles_have_nothing_that_the_linter_objects_to():
    linter = os.environ.get("FISHID_HADOLINT")
    if not linter:
        pytest.skip("FISHID_HADOLINT is not set: `make test` sets it to the program hadolint")
    done = subprocess.run([linter, *DOCKERFILES], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_scripts_build_only_images_that_have_a_dockerfile():
    named = set()
    for script in (ROOT / "scripts" / "deploy").glob("*.sh"):
        named |= set(re.findall(r"docker/[\w-]+\.Dockerfile", script.read_text()))
    assert named == {f"docker/{path.name}" for path in DOCKERFILES}


@pytest.fixture(scope="module")
def compose(tmp_path_factory):
    """compose.yaml as docker-compose understands it."""
    program = shutil.which("docker-compose")
    if not program:
        pytest.skip("docker-compose is not installed: scripts/setup.sh test brings it on Debian")
    folder = tmp_path_factory.mktemp("compose")
    filled = re.sub(r"(?m)=$", "=a-password", (ROOT / "docker" / "compose.env.example").read_text())
    (folder / "env").write_text(filled)
    # Debian's docker-compose 1.29 knows no `name`.
    text = re.sub(r"(?m)^name: .*\n", "", (ROOT / "compose.yaml").read_text())
    (folder / "compose.yaml").write_text(text)

    def config(*arguments, environment="env"):
        command = [program, "--project-directory", ROOT, "--file", folder / "compose.yaml"]
        (folder / "empty").touch()
        return subprocess.run(
            [*command, "--env-file", folder / environment, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
        )

    return config


def test_compose_has_every_service_in_pinned_versions(compose):
    done = compose("config", "--services")
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == SERVICES
    images = re.findall(r"(?m)^    image: (\S+)$", compose("config").stdout)
    for image in images:
        assert image.startswith("fishid-") or re.search(r":v?\d+\.\d+", image), image


def test_compose_refuses_to_start_without_passwords(compose):
    done = compose("config", environment="empty")
    assert done.returncode != 0
    assert "see docker/compose.env.example" in done.stderr
