# shellcheck shell=bash
# Sourced from the root of the checkout by the scripts of this folder, each of which sets `target` to its name in the
# Makefile first. Every script may be run again at any time: what is done already is seen to be done. DRY_RUN=1 calls
# nothing and prints what would be called.
set -euo pipefail
: "${target:?set by the script that sources this file}"
DRY_RUN=${DRY_RUN:-}
# Credentials of the cluster lie here, beside a person's own ones.
work=build/deploy
KUBECONFIG_HERE=$PWD/$work/kubeconfig
# shellcheck disable=SC2034 # of those that source this file
namespace=ml-inference
# What the scripts read of Terraform. That all are there is looked at once, before anything is done.
wanted_outputs=(bucket registry k8s_cluster_id postgres_cluster_id airflow_cluster_id airflow_url postgres_host log_group_id
  secret_ids service_account_ids training)
doing='looking at the tools'

say() { printf '%s: %s\n' "$target" "$*"; }
die() {
  printf '%s: %s\n' "$target" "$2" >&2
  exit "$1"
}
read_json() { scripts/deploy/read_json.py "$@"; }

where_from() {
  case $1 in
    terraform) echo "terraform ≥ 1.5: https://developer.hashicorp.com/terraform/install" ;;
    kubectl) echo "kubectl ≥ 1.30: https://kubernetes.io/docs/tasks/tools" ;;
    yc) echo "yc: https://yandex.cloud/docs/cli/quickstart, then yc init" ;;
    docker) echo "docker; a program that takes the same arguments, such as podman, is named by CONTAINER_TOOL" ;;
    helm) echo "helm ≥ 3.8: https://helm.sh/docs/intro/install" ;;
    *) echo "$1" ;;
  esac
}

# All that is missing is told at once.
need_tools() {
  local tool missing=()
  for tool in "$@"; do
    command -v "$tool" >/dev/null || missing+=("$(where_from "$tool")")
  done
  [ ${#missing[@]} -eq 0 ] && return
  if [ -n "$DRY_RUN" ]; then
    printf "$target: missing here: %s\n" "${missing[@]}"
    return
  fi
  printf "$target: missing: %s\n" "${missing[@]}" >&2
  exit 1
}

# Names what comes next, for a person who looks on and for the message if it fails.
step() {
  doing=$1
  say "$doing"
}

failed() {
  die 1 "stopped while $doing: '$2' ended with status $1, its words stand above. What was done before stays; mend it and call make $target again, which goes on from there."
}

# Runs a command that changes something; with DRY_RUN only prints it.
run() {
  local status=0
  if [ -n "$DRY_RUN" ]; then
    printf 'would run:'
    printf ' %s' "$@"
    printf '\n'
    return
  fi
  "$@" || status=$?
  [ $status -eq 0 ] || failed "$status" "$*"
}

# Asks a command for something; with DRY_RUN it is not asked, and the answer is <NAME>.
ask() {
  local name=$1 status=0 answer
  shift
  if [ -n "$DRY_RUN" ]; then
    printf '<%s>' "$name"
    return
  fi
  answer=$("$@") || status=$?
  [ $status -eq 0 ] || failed "$status" "$*"
  printf '%s' "$answer"
}

kube() { run kubectl --kubeconfig "$KUBECONFIG_HERE" "$@"; }
# For questions whose answer may be no; with DRY_RUN it is.
kube_asks() { [ -z "$DRY_RUN" ] && kubectl --kubeconfig "$KUBECONFIG_HERE" "$@" 2>/dev/null; }

# A token for Terraform, good for twelve hours and in no file, where the environment has none.
need_token() {
  [ -n "${YC_TOKEN:-}" ] || [ -n "${YC_SERVICE_ACCOUNT_KEY_FILE:-}" ] && return
  need_tools yc
  YC_TOKEN=$(ask token yc iam create-token)
  export YC_TOKEN
}

# Reads Terraform's outputs once, for `output`.
read_outputs() {
  local missing
  step "reading what Terraform made"
  outputs=$(ask outputs terraform -chdir=terraform output -json -no-color)
  [ -z "$DRY_RUN" ] || return 0
  [ "$outputs" != '{}' ] || die 1 "there is nothing in the cloud yet (Terraform has no outputs): run make terraform-apply first"
  missing=$(read_json missing_outputs "${wanted_outputs[@]}" <<<"$outputs")
  [ -z "$missing" ] || die 1 "Terraform's state is of another version, it has no $missing: run make terraform-apply first"
}

# `output NAME [KEY]`: a value, or a field of one.
output() {
  if [ -n "$DRY_RUN" ]; then
    printf '<%s>' "$*"
    return
  fi
  read_json output "$@" <<<"$outputs"
}

enter_cluster() {
  step "getting credentials for the cluster"
  run mkdir -p "$work"
  run yc managed-kubernetes cluster get-credentials "$(output k8s_cluster_id)" --external --force --kubeconfig "$KUBECONFIG_HERE"
}
