# shellcheck shell=bash
# Sourced by test.sh and lint.sh: runs named parts, prints how long each took, stops at the first failure.
part_names=()
part_seconds=()

part() {
  local name=$1 started=$SECONDS
  shift
  printf '\n=== %s\n' "$name"
  if ! "$@"; then
    printf '\n=== %s failed after %s s\n' "$name" $((SECONDS - started)) >&2
    exit 1
  fi
  part_names+=("$name")
  part_seconds+=($((SECONDS - started)))
}

parts_done() {
  local i
  printf '\n%-36s %s\n' part seconds
  for i in "${!part_names[@]}"; do
    printf '%-36s %7d\n' "${part_names[$i]}" "${part_seconds[$i]}"
  done
}
