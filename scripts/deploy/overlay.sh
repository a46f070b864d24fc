# shellcheck shell=bash disable=SC2154 # of common.sh
# Sourced: writes build/deploy/overlay, the overlay `yandex` with what Terraform made: images, database, bucket, log group
# and secrets by their ids. It is made anew by every call and holds no secret.

write_overlay() {
  step "writing $work/overlay"
  [ -n "$DRY_RUN" ] && return
  mkdir -p "$work/overlay"
  cat >"$work/overlay/kustomization.yaml" <<YAML
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - ../../../k8s/overlays/yandex
images:
  - name: fishid-server
    newName: $(output registry)/fishid-server
    newTag: "$TAG"
  - name: fishid-frontend
    newName: $(output registry)/fishid-frontend
    newTag: "$TAG"
  - name: fishid-mlflow
    newName: $(output registry)/fishid-mlflow
    newTag: "$TAG"
patches:
  - patch: |
      apiVersion: v1
      kind: ConfigMap
      metadata:
        name: mlflow-settings
        namespace: $namespace
      data:
        POSTGRES_HOST: $(output postgres_host)
        POSTGRES_PORT: "6432"
        ARTIFACTS_BUCKET: $(output bucket)
        S3_ENDPOINT: https://storage.yandexcloud.net
YAML
  without_crd servicemonitors.monitoring.coreos.com ServiceMonitor "the Prometheus operator"
}

# What the cluster does not know is left out, and said.
without_crd() {
  kube_asks get crd "$1" >/dev/null && return
  say "$3 is not in the cluster: every $2 is left out"
  cat >>"$work/overlay/kustomization.yaml" <<YAML
  - target:
      kind: $2
    patch: |
      \$patch: delete
      apiVersion: ${1#*.}/v1
      kind: $2
      metadata:
        name: any
YAML
}

# The overlay with the ids of the secrets, which no patch can put into every remoteRef.
rendered() {
  kubectl kustomize "$work/overlay" | sed \
    -e "s/LOCKBOX_ID_REDIS/$(output secret_ids redis)/g" \
    -e "s/LOCKBOX_ID_POSTGRES_MLFLOW/$(output secret_ids postgres-mlflow)/g" \
    -e "s/LOCKBOX_ID_BUCKET/$(output secret_ids bucket)/g"
}

# `apply_overlay in|notin`: the API and the page, or everything else.
apply_overlay() {
  if [ -n "$DRY_RUN" ]; then
    kube apply --selector "app.kubernetes.io/name $1 (inference-api,frontend)" --filename "$work/rendered.yaml"
    return
  fi
  rendered >"$work/rendered.yaml.new" || failed $? "kubectl kustomize $work/overlay"
  mv "$work/rendered.yaml.new" "$work/rendered.yaml"
  kube apply --selector "app.kubernetes.io/name $1 (inference-api,frontend)" --filename "$work/rendered.yaml"
}
