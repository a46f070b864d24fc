#!/bin/sh
# `collect_files.sh GIVEN OUT`: the whole file system of the server's image, from what scripts/image_files.sh made and the
# C library of this Debian. Symbols go: they are a fifth of the program.
set -eu
given=$1 out=$2
lib=usr/lib/fishid
install -d "$out/usr/bin" "$out/$lib" "$out/etc/ssl/certs" "$out/usr/share/doc/fishid"
install -d -m 1777 "$out/tmp"
install -d -o 65532 -g 65532 "$out/var/lib/fishid"
strip --strip-all -o "$out/usr/bin/fishid" "$given/fishid"
chmod 755 "$out/usr/bin/fishid"
for library in "$given"/onnxruntime/*.so*; do
  strip --strip-unneeded -o "$out/$lib/$(basename "$library")" "$library"
done
main=$(cd "$out/$lib" && echo libonnxruntime.so.*)
ln -s "$main" "$out/$lib/libonnxruntime.so"

# Every library that a file of the image names, where the loader finds it here; twice, for theirs.
for _ in 1 2; do
  find "$out" -type f | while read -r file; do
    LD_LIBRARY_PATH="$out/$lib" ldd "$file" 2>/dev/null || true
  done | grep -o '/[^ ]*' | sort -u | while read -r needed; do
    case $needed in
      "$out"/*) ;;
      *)
        [ -e "$out$needed" ] || install -D -m 755 "$(readlink -f "$needed")" "$out$needed"
        ;;
    esac
  done
done
missing=$(find "$out" -type f -name '*.so*' -exec env LD_LIBRARY_PATH="$out/$lib" ldd {} + 2>/dev/null | grep 'not found' || true)
if [ -n "$missing" ]; then
  printf 'collect_files: missing:\n%s\n' "$missing" >&2
  exit 1
fi

cp /etc/ssl/certs/ca-certificates.crt "$out/etc/ssl/certs/"
printf 'root:x:0:0:root:/:/none\nfishid:x:65532:65532:fishid:/var/lib/fishid:/none\n' >"$out/etc/passwd"
printf 'root:x:0:\nfishid:x:65532:\n' >"$out/etc/group"
printf 'hosts: files dns\n' >"$out/etc/nsswitch.conf"
cp "$given"/onnxruntime/LICENSE "$out/usr/share/doc/fishid/onnxruntime-LICENSE"
cp "$given"/onnxruntime/ThirdPartyNotices.txt "$given/LICENSE" "$given/sbom.cdx.json" "$out/usr/share/doc/fishid/"
