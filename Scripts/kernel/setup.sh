#!/usr/bin/env bash
# Makes the guest that the kernel tests run in: Debian's kernel as it is, the drivers that Debian
# leaves out (vicodec, vim2m) built for it, and a root file system that is nothing but a way to
# the host's. Everything is kept under .build/kernel, by the kernel's version; what is there is
# not made again.
set -euo pipefail
source "$(dirname "$0")/common.sh"
here=$package/Scripts/kernel

"$package/Scripts/setup.sh" --kernel >&2
find_kernel
[ -n "$version" ] || fail "linux-headers-amd64 is no 6.1 kernel; these tests need Debian 12"

download_image() {
  mkdir -p "$home"
  (cd "$home" && apt-get -o APT::Sandbox::User=root download -q "linux-image-$release=$version") \
    >"$home/download.log" 2>&1
}

# Debian's archive keeps only the newest security update, so that the image of headers installed
# a while ago may be gone; then both are renewed.
fetch_image() {
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
  say "downloading linux-image-$release $version"
  if download_image; then return; fi
  say "that failed; renewing the package lists and the headers"
  "${as_root[@]}" apt-get update -q </dev/null >"$home/download.log" 2>&1 || fail_download
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
    --no-install-recommends linux-headers-amd64 linux-source-6.1 </dev/null \
    >"$home/download.log" 2>&1 || fail_download
  rm -rf "$home"
  find_kernel
  download_image || fail_download
}

fail_download() {
  fail "cannot download linux-image-$release from Debian's archive; check the network and" \
    "/etc/apt/sources.list, then run it again:" \
    "$(grep -E '^(E|Err|W):?' "$home/download.log" | tail -n 1)"
}

unpack_image() {
  rm -rf "$home/root"
  dpkg-deb -x "$home"/linux-image-*.deb "$home/root"
  rm "$home"/linux-image-*.deb
  mv "$home/root/boot/vmlinuz-$release" "$home/vmlinuz"
}

# The parts of Debian's source that the guest's kernel lacks, as modules.
build_modules() {
  local source=$home/source extra=$modules/$release/extra
  say "building v4l2-mem2mem, vicodec and vim2m for $release"
  rm -rf "$source"
  mkdir -p "$source" "$extra"
  # Ends with the last of these names instead of reading all of the archive.
  tar -C "$source" --strip-components=3 --occurrence=1 -xf /usr/src/linux-source-6.1.tar.xz \
    linux-source-6.1/drivers/media/v4l2-core/v4l2-mem2mem.c \
    linux-source-6.1/drivers/media/test-drivers/vim2m.c \
    linux-source-6.1/drivers/media/test-drivers/vicodec
  mv "$source"/v4l2-core/* "$source"/test-drivers/vim2m.c "$source"/test-drivers/vicodec/* "$source"
  cat >"$source/Kbuild" <<'KBUILD'
obj-m := v4l2-mem2mem.o vicodec.o vim2m.o
vicodec-y := vicodec-core.o codec-fwht.o codec-v4l2-fwht.o
KBUILD
  make -s -j "$(nproc)" -C "/lib/modules/$release/build" M="$source" modules >"$home/build.log" 2>&1 ||
    fail "the modules do not build:
$(tail -n 20 "$home/build.log")"
  cp "$source"/*.ko "$extra"
  PATH="$PATH:/usr/sbin:/sbin" depmod -b "$home/root" "$release"
}

# A root file system that loads what is needed to reach the host's, and goes there.
pack_initramfs() {
  local tree=$home/initramfs.tree
  rm -rf "$tree"
  mkdir -p "$tree"/{bin,dev,proc,sys,host,modules}
  cp /bin/busybox "$tree/bin/busybox"
  cp "$here/init.sh" "$tree/init"
  chmod +x "$tree/init"
  # In the order in which they are loaded, dependencies first.
  PATH="$PATH:/usr/sbin:/sbin" modprobe --config /dev/null --dirname "$home/root" \
    --set-version "$release" --show-depends --all virtio_pci virtio_console 9pnet_virtio 9p overlay |
    awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$home/order"
  while read -r module; do
    cp "$module" "$tree/modules"
    basename "$module"
  done <"$home/order" >"$tree/modules/order"
  (cd "$tree" && find . | cpio --quiet -o -H newc) | gzip -1 >"$home/initramfs.new"
  mv "$home/initramfs.new" "$home/initramfs"
}

if [ ! -e "$home/modules-built" ]; then
  fetch_image
  unpack_image
  build_modules
  touch "$home/modules-built"
fi
if [ ! "$home/initramfs" -nt "$here/init.sh" ] || [ ! "$home/initramfs" -nt "$here/setup.sh" ]; then
  pack_initramfs
fi
say "Linux $release is ready"
