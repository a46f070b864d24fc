#!/usr/bin/env bash
# The API and the page: images of this commit are built, pushed and rolled out without a gap.
target=deploy-inference
cd "$(dirname "$0")/../.."
. scripts/deploy/common.sh
. scripts/deploy/images.sh
. scripts/deploy/overlay.sh

need_tools terraform yc kubectl python3 git "$CONTAINER_TOOL"
read_outputs
TAG=${TAG:-$(image_tag)}
enter_cluster
[ -n "$DRY_RUN" ] || kube_asks get namespace "$namespace" >/dev/null ||
  die 1 "the cluster has no namespace $namespace yet: run make deploy-k8s first"
log_in_to_registry
push_image fishid-server docker/server.Dockerfile
push_image fishid-frontend docker/frontend.Dockerfile

write_overlay
step "applying the API and the page"
apply_overlay in
step "waiting for the page"
kube --namespace "$namespace" rollout status deployment/frontend --timeout=5m
step "waiting for the API"
if [ -n "$DRY_RUN" ]; then
  kube --namespace "$namespace" rollout status deployment/inference-api --timeout=10m
elif ! kubectl --kubeconfig "$KUBECONFIG_HERE" --namespace "$namespace" rollout status deployment/inference-api --timeout=10m; then
  # A server without a model runs and is not ready; one that does not start is something else.
  pods=$(kube_asks --namespace "$namespace" get pods --selector app.kubernetes.io/name=inference-api --output json) || pods='{"items":[]}'
  [ "$(read_json running <<<"$pods")" != 0 ] ||
    die 1 "no replica of the API runs: kubectl --kubeconfig $KUBECONFIG_HERE --namespace $namespace describe pods --selector app.kubernetes.io/name=inference-api"
  say "the API runs, but is not ready: as a rule there is no model in production yet. Start the DAG fish_classification_training_full in Airflow; the servers take its model within ten seconds"
fi
say "done"
