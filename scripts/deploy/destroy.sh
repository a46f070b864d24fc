#!/usr/bin/env bash
# Deletes everything, after it was said what will be lost and the folder's id was typed. CONFIRM=FOLDER_ID answers in
# advance. The bucket goes only with DELETE_BUCKET=1 or when it is empty.
target=destroy
cd "$(dirname "$0")/../.."
. scripts/deploy/common.sh

need_tools terraform yc kubectl python3
read_outputs
folder=$(output training folder_id)
bucket=$(output bucket)
cat <<WARNING

This deletes in the folder $folder:
  - Kubernetes with everything in it, the history of Prometheus and Grafana among it
  - PostgreSQL with its backups: every run and version that MLflow knows
  - Airflow with the history of its runs
  - all images in the container registry, all logs, all passwords in Lockbox
  - the key: what it encrypted cannot be read any more, the bucket's objects among it
WARNING
if [ -n "${DELETE_BUCKET:-}" ]; then
  printf '  - the bucket %s: photographs, models, reports\n\n' "$bucket"
else
  printf 'Without DELETE_BUCKET=1 it refuses while the bucket %s has objects.\n\n' "$bucket"
fi
if [ -z "$DRY_RUN" ]; then
  answer=${CONFIRM:-}
  if [ -z "$answer" ]; then
    read -r -p "Type the folder's id to go on: " answer ||
      die 1 "nobody answered: CONFIRM=$folder answers in advance. Nothing was deleted."
  fi
  [ "$answer" = "$folder" ] || die 1 "that is not $folder: nothing was deleted"
  if [ -z "${DELETE_BUCKET:-}" ]; then
    step "looking into the bucket"
    # Its key would be gone, and with it what the objects say.
    listed=$(ask objects yc storage s3api list-objects --bucket "$bucket" --max-keys 1 --format json)
    case $listed in
      *'"key"'*) die 1 "the bucket $bucket has objects: save what is needed, then call make destroy DELETE_BUCKET=1. Nothing was deleted." ;;
    esac
  fi
fi
need_token

# Load balancers and disks belong to the cluster's services: left behind they would cost on, and hold the network.
if [ -n "$DRY_RUN" ] || yc managed-kubernetes cluster get "$(output k8s_cluster_id)" >/dev/null 2>&1; then
  enter_cluster
  step "deleting what the cluster holds in the cloud"
  kube delete namespace "$namespace" fishid-logging monitoring --ignore-not-found --timeout=10m
else
  say "the cluster is gone already"
fi

step "lifting the protection against deletion"
protected=(module.postgresql.yandex_mdb_postgresql_cluster.this module.airflow.yandex_airflow_cluster.this
  module.secrets.yandex_lockbox_secret.password module.secrets.yandex_lockbox_secret.bucket)
values=(-var=deletion_protection=false)
if [ -n "${DELETE_BUCKET:-}" ]; then
  # Every version of every object: emptying it by hand would leave the older ones.
  values+=(-var=bucket_force_destroy=true)
  protected+=(module.storage.yandex_storage_bucket.this)
fi
state=$(ask state terraform -chdir=terraform state list)
targets=()
for address in "${protected[@]}"; do
  # What a call before this one deleted would be made again.
  if [ -n "$DRY_RUN" ] || grep -qF "$address" <<<"$state"; then targets+=(-target="$address"); fi
done
if [ ${#targets[@]} -gt 0 ]; then
  run terraform -chdir=terraform apply -input=false -auto-approve -no-color "${values[@]}" "${targets[@]}"
fi
step "deleting everything else"
run terraform -chdir=terraform destroy -input=false -auto-approve -no-color "${values[@]}"
say "done"
