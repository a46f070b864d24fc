# shellcheck shell=bash
# Sourced: builds and pushes images. The tag is the commit, and a digest of what is not committed, so that an image that is
# in the registry is the right one and is not built again.
CONTAINER_TOOL=${CONTAINER_TOOL:-docker}

image_tag() {
  local tag changed
  tag=$(git rev-parse --short=12 HEAD) || die 1 "this is no Git checkout: say which version it is with TAG=…"
  changed=$(git diff HEAD | sha256sum | cut -c1-8)
  git diff --quiet HEAD || tag=$tag-$changed
  printf '%s' "$tag"
}

# `push_image NAME DOCKERFILE`
push_image() {
  local image
  image="$(output registry)/$1:$TAG"
  if [ -z "$DRY_RUN" ] && "$CONTAINER_TOOL" manifest inspect "$image" >/dev/null 2>&1; then
    say "$image is in the registry already"
    return
  fi
  step "building $image"
  run "$CONTAINER_TOOL" build --file "$2" --tag "$image" .
  step "pushing $image"
  run "$CONTAINER_TOOL" push "$image"
}

log_in_to_registry() {
  step "logging in to the registry"
  run yc container registry configure-docker
}
