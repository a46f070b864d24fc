#!/usr/bin/env bash
# A table of what runs. Nothing is changed; what cannot be asked says so. Ends with 1 where something is not well.
target=status
cd "$(dirname "$0")/../.."
. scripts/deploy/common.sh
need_tools terraform yc kubectl python3
if [ -n "$DRY_RUN" ]; then
  say "would ask terraform, yc and kubectl; nothing is changed by it"
  exit
fi
worst=0

line() {
  printf '%-4s %-26s %s\n' "$1" "$2" "$3"
  [ "$1" = ok ] || worst=1
}

# `managed NAME KIND ID`
managed() {
  local found state
  found=$(yc "$2" cluster get "$3" --format json 2>/dev/null) || found=
  if [ -z "$found" ]; then
    line no "$1" "cannot be asked: yc $2 cluster get $3"
    return
  fi
  state=$(read_json service_state <<<"$found")
  case $state in
    "RUNNING HEALTHY" | "RUNNING ALIVE" | RUNNING) line ok "$1" "$state" ;;
    *) line no "$1" "$state" ;;
  esac
}

# `counted NAME READY TOTAL`
counted() {
  if [ "$2" = "$3" ] && [ "$3" != 0 ]; then line ok "$1" "$2 of $3 ready"; else line no "$1" "$2 of $3 ready"; fi
}

workload() {
  local found ready wanted
  found=$(kube_asks --namespace "$namespace" get "$1" --output json) || found=
  if [ -z "$found" ]; then
    line no "$1" "not there: make $2"
    return
  fi
  read -r ready wanted < <(read_json replicas <<<"$found")
  counted "$1" "$ready" "$wanted"
}

outputs=$(terraform -chdir=terraform output -json -no-color 2>/dev/null) || outputs='{}'
if [ -n "$(read_json missing_outputs "${wanted_outputs[@]}" <<<"$outputs")" ]; then
  line no infrastructure "not there, or not whole: make terraform-apply"
  exit 1
fi
managed kubernetes managed-kubernetes "$(output k8s_cluster_id)"
managed postgresql managed-postgresql "$(output postgres_cluster_id)"
managed airflow managed-airflow "$(output airflow_cluster_id)"
if (enter_cluster) >/dev/null 2>&1; then
  nodes=$(kube_asks get nodes --output json) || nodes='{"items":[]}'
  read -r ready total < <(read_json nodes_ready <<<"$nodes")
  counted nodes "$ready" "$total"
  workload statefulset/redis deploy-k8s
  workload deployment/mlflow deploy-k8s
  workload deployment/inference-api deploy-inference
  workload deployment/frontend deploy-inference
else
  line no cluster "cannot be entered: is your address in admin_cidrs?"
fi
exit $worst
