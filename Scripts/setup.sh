#!/usr/bin/env bash
# Installs what is missing to build, test and show the project.
#   setup.sh            for `make test` and `make demo`
#   setup.sh --bench    also what `make bench` needs
#   setup.sh --kernel   also what `make test-kernel` needs; Debian 12 alone
set -euo pipefail

# package, then how to see that it is there: a program, a header or a shared library.
# The names are those of Debian 12; Ubuntu 22.04 and 24.04 have them too (in `universe`).
requirements=(
  "libv4l-dev         header  libv4l2.h"
  "libyuv-dev         header  libyuv.h"
  "libfuse3-dev       header  fuse3/fuse_lowlevel.h"
  "libopenh264-dev    header  wels/codec_api.h"
  "libx265-dev        header  x265.h"
  "libc6-dev          header  stdlib.h"
  "linux-libc-dev     header  linux/videodev2.h"
  "pkg-config         program pkg-config"
  "make               program make"
  "git                program git"
  "g++                program g++"
  "v4l-utils          program v4l2-ctl"
  "v4l-utils          program v4l2-compliance"
  "ffmpeg             program ffmpeg"
  "ffmpeg             program ffprobe"
  "util-linux         program unshare"
  # What the Swift toolchain itself is linked to.
  "libcurl4           library libcurl.so.4"
  "libxml2            library libxml2.so.2"
  "libsqlite3-0       library libsqlite3.so.0"
  "libncurses6        library libncurses.so.6"
)
if [ "${1:-}" = --bench ]; then
  requirements+=("strace program strace" "python3 program python3")
fi
if [ "${1:-}" = --kernel ]; then
  requirements+=(
    "qemu-system-x86           program qemu-system-x86_64"
    "busybox-static            package busybox-static"
    "linux-headers-amd64       package linux-headers-amd64"
    "linux-source-6.1          package linux-source-6.1"
    "cpio                      program cpio"
    "kmod                      program modprobe"
    "xz-utils                  program xz"
    "gstreamer1.0-tools        program gst-launch-1.0"
    "gstreamer1.0-plugins-base package gstreamer1.0-plugins-base"
    "gstreamer1.0-plugins-good package gstreamer1.0-plugins-good"
    "gstreamer1.0-plugins-bad  package gstreamer1.0-plugins-bad"
  )
fi

say() { printf 'setup: %s\n' "$*"; }
fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 69 # EX_UNAVAILABLE
}

libraries=$(PATH="$PATH:/usr/sbin:/sbin" ldconfig -p 2>/dev/null || true)

is_there() {
  local kind=$1 name=$2 directory
  case $kind in
  program) PATH="$PATH:/usr/sbin:/sbin" command -v "$name" >/dev/null ;;
  package) dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q ' installed$' ;;
  library) [[ $libraries == *"$name"* ]] ;;
  header)
    for directory in /usr/include /usr/local/include /usr/include/*-linux-gnu*; do
      if [ -e "$directory/$name" ]; then return 0; fi
    done
    return 1
    ;;
  esac
}

find_missing() {
  local requirement package kind name
  missing=()
  for requirement in "${requirements[@]}"; do
    read -r package kind name <<<"$requirement"
    if is_there "$kind" "$name"; then continue; fi
    if [[ " ${missing[*]-} " != *" $package "* ]]; then missing+=("$package"); fi
  done
}

install_missing() {
  local as_root=()
  command -v apt-get >/dev/null || fail "no apt-get here. Install what holds these Debian" \
    "packages' files by this system's own means, then run it again: ${missing[*]}"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "not root, and no sudo here. Run as root:" \
      "apt-get install --no-install-recommends ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  # Variables go through env: sudo resets the environment.
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q </dev/null
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null ||
    fail "apt-get could not install: ${missing[*]}. On Ubuntu enable universe first:" \
      "add-apt-repository universe"
  libraries=$(PATH="$PATH:/usr/sbin:/sbin" ldconfig -p 2>/dev/null || true)
}

check_swift() {
  local version
  command -v swift >/dev/null || fail "Swift 6.2 or newer is not on PATH. Get it from" \
    "https://www.swift.org/install/linux/ (needs curl, ca-certificates and gnupg):
    curl -O https://download.swift.org/swiftly/linux/swiftly-$(uname -m).tar.gz
    tar zxf swiftly-$(uname -m).tar.gz && ./swiftly init
  then open a new shell and run it again."
  version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p')
  if [ "$(printf '6.2\n%s\n' "${version:-0}" | sort -V | head -n 1)" != 6.2 ]; then
    fail "Swift ${version:-of unknown version} is too old; 6.2 or newer is needed." \
      "See https://www.swift.org/install/linux/"
  fi
}

find_missing
if [ ${#missing[@]} -gt 0 ]; then
  install_missing
  find_missing
  if [ ${#missing[@]} -gt 0 ]; then fail "still missing after installing: ${missing[*]}"; fi
fi
check_swift
say "everything needed is installed"
