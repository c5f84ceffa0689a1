#!/bin/bash
# Runs a command for which a served device file looks like a kernel device, in a mount namespace
# of its own, so that nothing outside changes:
#
#   Scripts/private-video-device.sh PATH COMMAND [ARGUMENT…]
#
# The command finds the device as /dev/video0, and no other video device. For v4l2-ctl and
# v4l2-compliance, which look every device up in sysfs by its number (a regular file has 0:0),
# /sys/dev/char says that 0:0 is video0. Needs root.
set -euo pipefail

if [ $# -lt 2 ]; then
  sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
  exit 64
fi
if [ "${PRIVATE_VIDEO_DEVICE:-}" != inside ]; then
  PRIVATE_VIDEO_DEVICE=inside exec unshare --mount "$0" "$@"
fi
unset PRIVATE_VIDEO_DEVICE
device=$(realpath "$1")
shift

mount -t tmpfs tmpfs /sys/dev/char
mkdir /sys/dev/char/0:0
echo DEVNAME=video0 > /sys/dev/char/0:0/uevent

# A /dev with what programs need and this video device alone. It is put together elsewhere, as
# the device file itself may be in the old /dev.
new=$(mktemp -d)
mount -t tmpfs -o mode=755 tmpfs "$new"
for name in null zero full random urandom tty; do
  touch "$new/$name"
  mount --bind "/dev/$name" "$new/$name"
done
for name in pts shm; do
  mkdir "$new/$name"
  mount --rbind "/dev/$name" "$new/$name"
done
cp --no-dereference /dev/fd /dev/stdin /dev/stdout /dev/stderr "$new"
touch "$new/video0"
mount --bind "$device" "$new/video0"
mount --move "$new" /dev
rmdir "$new"

exec "$@"
