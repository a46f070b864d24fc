#!/usr/bin/env bash
# What the API needs in the cluster: namespace, secrets from Lockbox, Redis, MLflow, logs, monitoring.
target=deploy-k8s
cd "$(dirname "$0")/../.."
. scripts/deploy/common.sh
. scripts/deploy/images.sh
. scripts/deploy/overlay.sh

need_tools terraform yc kubectl python3 git "$CONTAINER_TOOL"
read_outputs
TAG=${TAG:-$(image_tag)}
enter_cluster
log_in_to_registry
push_image fishid-mlflow docker/mlflow.Dockerfile

step "making the namespace"
kube apply --filename k8s/namespace.yaml

# External Secrets reads Lockbox with a key of the account `secrets`; the key is made once and is in no file afterwards.
if kube_asks --namespace "$namespace" get secret lockbox-key >/dev/null; then
  say "the key for Lockbox is there"
else
  step "making a key for Lockbox"
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  run yc iam key create --service-account-id "$(output service_account_ids secrets)" --output "$folder/key.json"
  kube --namespace "$namespace" create secret generic lockbox-key "--from-file=key.json=$folder/key.json"
  rm -rf "$folder"
fi

if ! kube_asks get crd externalsecrets.external-secrets.io >/dev/null; then
  step "installing External Secrets, which brings secrets from Lockbox"
  need_tools helm
  run helm upgrade --install external-secrets external-secrets --repo https://charts.external-secrets.io --version 0.10.7 \
    --kubeconfig "$KUBECONFIG_HERE" --namespace external-secrets --create-namespace --wait --timeout 5m
fi

write_overlay
step "applying Redis, MLflow and secrets"
apply_overlay notin
for what in statefulset/redis deployment/mlflow; do
  step "waiting for $what"
  kube --namespace "$namespace" rollout status "$what" --timeout=10m
done

step "shipping logs"
kube apply --kustomize k8s/logging
kube --namespace fishid-logging patch configmap fluent-bit-settings --type merge \
  --patch "{\"data\":{\"LOG_GROUP_ID\":\"$(output log_group_id)\"}}"
kube --namespace fishid-logging rollout restart daemonset/fluent-bit

if [ -d k8s/monitoring ]; then
  step "applying Prometheus and Grafana"
  kube apply --kustomize k8s/monitoring
else
  say "there is no k8s/monitoring: no Prometheus and no Grafana here"
fi
say "done; to look by yourself: export KUBECONFIG=$KUBECONFIG_HERE"
