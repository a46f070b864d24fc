#!/usr/bin/env bash
# Makes a Debian root, from which the tests of docker/ import base images where no registry of images is reached, and
# prints its archive. Once, in half a minute; root and debootstrap are needed.
set -euo pipefail
cache=${FISHID_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fishid}
# What the Dockerfiles install, so that building them asks nobody.
packages=ca-certificates,binutils,libstdc++6,zlib1g,curl,gettext-base,nginx-light
archive="$cache/tools/debian-$(printf 'bookworm %s' "$packages" | sha256sum | cut -c1-16).tar"
if [ ! -e "$archive" ]; then
  [ "$(id -u)" -eq 0 ] || { echo "debian_root: root is needed" >&2 && exit 1; }
  echo "setup: making a Debian root for the tests of images (once, half a minute)" >&2
  work=$(mktemp -d "$cache/debian.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  if ! debootstrap --variant=minbase "--include=$packages" bookworm "$work/root" >"$work/log" 2>&1; then
    tail -n 5 "$work/log" >&2
    exit 1
  fi
  rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/* "$work"/root/usr/share/doc/*
  mkdir -p "$(dirname "$archive")"
  tar --create --directory "$work/root" --file "$archive.new" .
  mv "$archive.new" "$archive"
fi
printf '%s\n' "$archive"
