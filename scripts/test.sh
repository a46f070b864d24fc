#!/usr/bin/env bash
# Every test, in the order in which a failure is cheapest to learn of. FISHID_TEST_DATA names the folder
# with the real photographs and backbone; FISHID_TEST_FULL=1 adds the slow ones.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/parts.sh
: "${FISHID_CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/fishid}"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$FISHID_CACHE/target}
python=$(scripts/setup.sh python tests/requirements.txt)
FISHID_STACK_PYTHON=$(scripts/setup.sh python stack/requirements.txt)/bin/python
export FISHID_STACK_PYTHON
if [ -n "${FISHID_TEST_FULL:-}" ]; then
  FISHID_MLFLOW_2_9_PYTHON=$(scripts/setup.sh python tests/mlflow29/requirements.txt)/bin/python
  export FISHID_MLFLOW_2_9_PYTHON
  FISHID_AIRFLOW3_PYTHON=$(scripts/setup.sh python tests/airflow3/requirements.txt)/bin/python
  export FISHID_AIRFLOW3_PYTHON
fi
FISHID_AIRFLOW_PYTHON=$(scripts/setup.sh python tests/airflow/requirements.txt)/bin/python
export FISHID_AIRFLOW_PYTHON
FISHID_DVC=$(scripts/setup.sh python tests/dvc/requirements.txt)/bin/dvc
export FISHID_DVC
FISHID_CHECKOV=$(scripts/setup.sh python tests/policy/requirements.txt)/bin/checkov
FISHID_HADOLINT=${FISHID_CHECKOV%/*}/hadolint
export FISHID_CHECKOV FISHID_HADOLINT
if [ "$(id -u)" -eq 0 ] && command -v buildah >/dev/null && FISHID_DEBIAN_ROOT=$(scripts/debian_root.sh); then
  export FISHID_DEBIAN_ROOT
else
  echo "there is no builder of images here (root, buildah, debootstrap): tests that build some will be skipped"
fi
terraform_tools=$FISHID_CACHE/tools/terraform
if [ -e "$terraform_tools/terraformrc" ]; then
  FISHID_TERRAFORM=$(command -v terraform || echo "$terraform_tools/bin/terraform")
  export FISHID_TERRAFORM FISHID_TERRAFORM_CONFIG="$terraform_tools/terraformrc"
else
  echo "there is no Terraform provider in $terraform_tools: tests of terraform/ will be skipped"
fi
export FISHID_BIN=$CARGO_TARGET_DIR/release/fishid
FISHID_WHEEL_NEEDS=$(scripts/setup.sh python tests/wheel/requirements.txt)
export FISHID_WHEEL_NEEDS
FISHID_SPARK=$(scripts/setup.sh python tests/spark/requirements.txt)
export FISHID_SPARK
FISHID_S3_SERVER=${FISHID_S3_SERVER:-$FISHID_CACHE/tools/bin/versitygw}
if [ -x "$FISHID_S3_SERVER" ]; then
  export FISHID_S3_SERVER
else
  unset FISHID_S3_SERVER
  echo "there is no S3 server ($FISHID_CACHE/tools/bin/versitygw): tests against S3 will be skipped"
fi
[ -n "${FISHID_TEST_DATA:-}" ] || echo "FISHID_TEST_DATA is not set: tests on real photographs will be skipped"

browser() {
  (cd tests/browser && npx --no-install playwright test)
}

# The binary's crates once more in one library: linked and packed, not compiled again.
make_wheel() {
  FISHID_WHEEL=$(scripts/wheel.sh) && export FISHID_WHEEL
}

# Compiling the tests builds the binary too, with the same features: one compilation for all.
part "compile" cargo test --release --locked --workspace --no-run
part "wheel" make_wheel
part "rust tests" cargo test --release --locked --workspace --quiet
part "end to end" "$python/bin/pytest" -q -ra tests/e2e
part "browser" browser
parts_done
