#!/usr/bin/env bash
# Terraform and the real provider for the tests of terraform/, where `terraform init` cannot download it:
# `setup_terraform.sh GO`. The provider is built from the Go module proxy into a file-system mirror in the cache, in about
# four minutes on two cores and with 1.5 GB; Terraform 1.5.7 only where none is on the PATH (five minutes more).
# People who deploy need none of this: `terraform init` downloads the provider.
set -euo pipefail
cd "$(dirname "$0")/.."
go=$1
cache=${FISHID_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fishid}
folder="$cache/tools/terraform"
PROVIDER=0.130.0
TERRAFORM=1.5.7

say() { printf 'setup: %s\n' "$*"; }

# The command's output is shown only where it fails.
quietly() {
  local log
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

# Beside what the machine has for others: their flags are not ours.
export GOFLAGS="-p=2 -trimpath" GOWORK=off

target="$folder/mirror/registry.terraform.io/yandex-cloud/yandex/$PROVIDER/linux_amd64/terraform-provider-yandex_v$PROVIDER"
stamp="$folder/provider-$(sha256sum <scripts/terraform_provider/go.sum | cut -c1-16)"
mkdir -p "$folder"
if [ ! -x "$target" ] || [ ! -e "$stamp" ]; then
  say "building the Terraform provider yandex $PROVIDER (once, about four minutes)"
  mkdir -p "$(dirname "$target")"
  quietly env -C scripts/terraform_provider "$go" build -mod=readonly \
    -ldflags="-s -w -X github.com/yandex-cloud/terraform-provider-yandex/version.ProviderVersion=$PROVIDER" \
    -o "$target.new" github.com/yandex-cloud/terraform-provider-yandex
  mv "$target.new" "$target"
  touch "$stamp"
fi

# No other source is asked, so that a test cannot depend on the network.
cat >"$folder/terraformrc" <<RC
provider_installation {
  filesystem_mirror {
    path = "$folder/mirror"
  }
}
disable_checkpoint = true
RC

if ! command -v terraform >/dev/null && [ ! -x "$folder/bin/terraform" ]; then
  say "building Terraform $TERRAFORM (once, about five minutes)"
  GOBIN="$folder/bin" quietly "$go" install -ldflags='-s -w' "github.com/hashicorp/terraform@v$TERRAFORM"
fi
