#!/usr/bin/env bash
# `terraform.sh init|plan|apply`: the infrastructure of terraform/. `apply` does nothing where nothing has changed, and
# deletes nothing unless ALLOW_DELETE=1.
cd "$(dirname "$0")/../.."
case ${1:-} in
  init) target=init ;;
  plan | apply) target=terraform-$1 ;;
  *) echo "usage: terraform.sh init|plan|apply" >&2 && exit 64 ;;
esac
. scripts/deploy/common.sh

in_terraform=(terraform -chdir=terraform)
plan_file=terraform.tfplan
need_tools terraform python3
version=$(ask version terraform version -json)
if [ -z "$DRY_RUN" ]; then
  version=$(read_json terraform_version <<<"$version")
  [ "$(printf '1.5\n%s\n' "$version" | sort -V | head -n 1)" = 1.5 ] || die 1 "this is Terraform $version: 1.5 or newer is needed"
  [ -e terraform/terraform.tfvars ] ||
    die 2 "there is no terraform/terraform.tfvars: copy terraform/terraform.tfvars.example to it and put in your cloud, folder and address"
fi

init() {
  step "preparing Terraform"
  run "${in_terraform[@]}" init -input=false -no-color
}

# Status 2 of -detailed-exitcode is a plan with changes.
plan() {
  local status=0 plan=("${in_terraform[@]}" plan -input=false -no-color -detailed-exitcode -out="$plan_file")
  step "planning"
  if [ -n "$DRY_RUN" ]; then
    run "${plan[@]}"
    return
  fi
  "${plan[@]}" || status=$?
  case $status in
    0) changes=none ;;
    2) changes=some ;;
    *) failed $status "${plan[*]}" ;;
  esac
}

refuse_deletion() {
  local shown deleted
  if [ -n "$DRY_RUN" ] || [ -n "${ALLOW_DELETE:-}" ]; then return; fi
  shown=$(ask plan "${in_terraform[@]}" show -json "$plan_file")
  deleted=$(read_json deletions <<<"$shown")
  [ -z "$deleted" ] || die 1 "the plan deletes or replaces $deleted. Nothing was applied. If that is meant: make terraform-apply ALLOW_DELETE=1"
}

if [ "$1" = init ] || [ ! -d terraform/.terraform ]; then init; fi
[ "$1" != init ] || exit 0
need_token
changes=some
plan
[ "$1" != plan ] || exit 0
if [ "$changes" = none ]; then
  say "the cloud is as it should be: nothing to do"
else
  refuse_deletion
  step "making what is missing (the first time about half an hour)"
  run "${in_terraform[@]}" apply -input=false -no-color "$plan_file"
fi
