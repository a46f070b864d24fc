#!/usr/bin/env bash
# Everything, in order. Each part sees what is done already, so that a call after a failure goes on where it stopped.
# PHOTOGRAPHS=FOLDER brings those to the bucket as well.
target=deploy-all
cd "$(dirname "$0")/../.."
. scripts/deploy/common.sh

need_tools terraform yc kubectl python3 git "${CONTAINER_TOOL:-docker}"
part() {
  local name=$1 status=0
  shift
  printf '\n=== %s\n' "$name"
  "$@" || status=$?
  [ $status -eq 0 ] ||
    die "$status" "stopped in $name (above). What was done before stays; mend it and call make deploy-all again, which goes on from there."
}

part "terraform-apply" scripts/deploy/terraform.sh apply
part "deploy-k8s" scripts/deploy/kubernetes.sh
part "setup-airflow" scripts/deploy/airflow.sh
if [ -d "${PHOTOGRAPHS:-datasets_final/processed_images}" ]; then
  read_outputs
  part "upload-dataset" scripts/upload_dataset.sh "s3://$(output bucket)/datasets/fish" "${PHOTOGRAPHS:-datasets_final/processed_images}"
else
  say "there is no folder ${PHOTOGRAPHS:-datasets_final/processed_images}: no photographs are brought (later: make upload-dataset TO=s3://BUCKET/datasets/fish FROM=FOLDER)"
fi
part "deploy-inference" scripts/deploy/inference.sh
part "print-urls" scripts/deploy/urls.sh
