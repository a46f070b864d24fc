#!/usr/bin/env bash
# Prepares one host of a Data Processing cluster, as its initialization action (root, once, also on a host that is
# added later): `prepare_host.sh WHEEL PYTHON [SECRET]`. Installs the wheel from s3a://bucket/name; on the master it
# makes what Lockbox has under SECRET the environment of the jobs. Everything is read as the host's service account.
set -euo pipefail

die() {
  printf 'prepare_host: %s\n' "$*" >&2
  exit 1
}

wheel=${1:?name the wheel, s3a://bucket/name.whl}
python=${2:?name the Python of the jobs}
secret=${3:-}
metadata=${YC_METADATA_ADDR:-http://169.254.169.254}
storage=${AWS_ENDPOINT_URL:-https://storage.yandexcloud.net}
region=${AWS_REGION:-ru-central1}
lockbox=${LOCKBOX_ADDR:-https://payload.lockbox.api.cloud.yandex.net}
etc=${FISHID_ETC:-/etc}
home=${FISHID_HOME:-/var/lib/fishid}

# The header goes in by a file that nobody sees: arguments stand in the list of processes.
fetch() {
  local url=$1 header=$2
  printf 'header = "%s"\n' "$header" | curl --fail --silent --show-error --retry 5 --retry-connrefused --max-time 600 --config - "$url"
}

[ -x "$python" ] || die "there is no Python $python on this image: set host_python in the variable fish_training"
token=$(fetch "$metadata/computeMetadata/v1/instance/service-accounts/default/token" 'Metadata-Flavor: Google' |
  "$python" -c 'import json, sys; print(json.load(sys.stdin)["access_token"])') ||
  die "the host's metadata gives no token: give the cluster a service account"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
file=$work/$(basename "$wheel")
fetch "$storage/${wheel#*://}" "X-YaCloud-SubjectToken: $token" >"$file" ||
  die "$wheel cannot be read: the cluster's service account needs storage.viewer on the bucket"
"$python" -m pip install --quiet --no-input --disable-pip-version-check "$file" prometheus-client ||
  die "pip cannot install $(basename "$file"): is its platform that of the image, and is there a way to a package index?"
"$python" -c 'import fishid' || die "the wheel is installed and cannot be imported: see above"

# Where networks and weights are kept; jobs of any user write there.
mkdir -p "$home" "$etc/fishid"
chmod 1777 "$home"
settings="$etc/fishid/job.env"
{
  printf 'export FISHID_HOME=%q\n' "$home"
  printf 'export AWS_ENDPOINT_URL=%q\n' "$storage"
  printf 'export AWS_REGION=%q\n' "$region"
} >"$settings.part"
# The driver runs on the master; executors need no secret.
if [ -n "$secret" ] && [ "${ROLE:-masternode}" = masternode ]; then
  fetch "$lockbox/lockbox/v1/secrets/$secret/payload" "Authorization: Bearer $token" >"$work/payload" ||
    die "the secret $secret cannot be read: the cluster's service account needs lockbox.payloadViewer on it"
  "$python" - "$work/payload" >>"$settings.part" <<'PYTHON' || die "the secret $secret holds what is no environment"
import json, re, shlex, sys

for entry in json.load(open(sys.argv[1]))["entries"]:
    if not re.fullmatch("[A-Z][A-Z0-9_]*", entry["key"]) or "textValue" not in entry:
        sys.exit(f"{entry['key']}: entries are to be texts named like MLFLOW_TRACKING_TOKEN")
    print(f"export {entry['key']}={shlex.quote(entry['textValue'])}")
PYTHON
fi
# Whoever runs on this host has the token of its service account, and with it the secret: hiding the file from
# the jobs' users, whose names belong to the image, would protect nothing.
chmod 644 "$settings.part"
mv "$settings.part" "$settings"

# spark-submit reads that file before it starts a driver.
mkdir -p "$etc/spark/conf"
line=". $settings"
grep -qxF "$line" "$etc/spark/conf/spark-env.sh" 2>/dev/null || printf '%s\n' "$line" >>"$etc/spark/conf/spark-env.sh"
echo "prepare_host: $(basename "$file") is installed, the jobs' environment is in $settings"
