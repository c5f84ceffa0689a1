#!/bin/bash
# Runs a command for which libv4l2 has one plugin more, in a mount namespace of its own, so that
# nothing is installed and nothing outside changes:
#
#   Scripts/private-libv4l2-plugin.sh PLUGIN.so COMMAND [ARGUMENT…]
#
# /sys/dev/char says that a text file (0:0 there) and a second /dev/null (1:3) are video devices,
# since v4l2-ctl looks every device up in sysfs by its number. With PLUGIN.so = none libv4l2 has
# its own plugins only; with PLUGIN.so = missing there is no libv4l2. Needs root.
set -euo pipefail

if [ $# -lt 2 ]; then
  sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
  exit 64
fi
if [ "${PRIVATE_LIBV4L2_PLUGIN:-}" != inside ]; then
  PRIVATE_LIBV4L2_PLUGIN=inside exec unshare --mount "$0" "$@"
fi
unset PRIVATE_LIBV4L2_PLUGIN
plugin=$1
shift
library=$(ldconfig -p | sed -n 's/.*libv4l2\.so\.0 .*=> //p' | head -n 1)
library=$(realpath "$library")

case $plugin in
  none) ;;
  missing) mount --bind /dev/null "$library" ;;
  *)
    plugins=$(dirname "$library")/libv4l/plugins
    new=$(mktemp -d)
    mount -t tmpfs tmpfs "$new"
    cp "$plugins"/*.so "$new"
    ln -s "$(realpath "$plugin")" "$new"
    mount --move "$new" "$plugins"
    rmdir "$new"
    ;;
esac
mount -t tmpfs tmpfs /sys/dev/char
for number in 0:0 1:3; do
  mkdir /sys/dev/char/$number
  echo DEVNAME=video0 > /sys/dev/char/$number/uevent
done

exec "$@"
