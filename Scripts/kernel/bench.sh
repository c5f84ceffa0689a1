#!/usr/bin/env bash
# Encodes the same clip to FWHT on the kernel's own encoder by three clients, in turn, and prints
# a table:
#
#   Scripts/kernel/bench.sh [ROUNDS]      3 by default
#
# The processor is emulated, so that only the comparison means anything. vicodec encodes inside
# the client's QBUF when its queue was empty, in a worker of the kernel otherwise: the client's
# own time compares nothing, all processors' time does.
set -euo pipefail
source "$(dirname "$0")/common.sh"
here=$package/Scripts/kernel
cd "$package"

if [ "${1:-}" != --inside ]; then
  "$here/setup.sh"
  command -v strace >/dev/null || fail "needs strace: apt-get install strace"
  [ -e "$clips/bigbuckbunny.yuv" ] || "$here/clips.sh"
  swift build -c release --product v4l2enc >&2
  exec "$here/run-guest.sh" --timeout 600 "$here/bench.sh" --inside "${1:-3}"
fi

rounds=$2
frames=132
# On the host's side, reading would be part of the measurement.
cp "$clips/bigbuckbunny.yuv" /tmp/clip.yuv
# All of GStreamer's plugins would be looked at before the first frame.
export GST_PLUGIN_SYSTEM_PATH_1_0=/tmp/plugins GST_REGISTRY=/tmp/registry
mkdir /tmp/plugins
ln -s /usr/lib/*/gstreamer-1.0/libgst{coreelements,rawparse,video4linux2}.so /tmp/plugins

v4l2enc() {
  "$package/.build/release/v4l2enc" encode /tmp/clip.yuv --size 1280x720 --format i420 --fps 25 \
    --gop 10 --device "$encoder" --quiet -o /tmp/v4l2enc.fwht
}
v4l2-ctl() {
  command v4l2-ctl -d "$encoder" --stream-mmap --stream-out-mmap --stream-from=/tmp/clip.yuv \
    --set-fmt-video-out=width=1280,height=720,pixelformat=YU12 --stream-to=/tmp/v4l2-ctl.fwht
}
gstreamer() {
  gst-launch-1.0 -q filesrc location=/tmp/clip.yuv ! rawvideoparse format=i420 width=1280 \
    height=720 framerate=25/1 colorimetry=bt709 ! v4l2fwhtenc extra-controls=c,video_gop_size=10 \
    ! filesink location=/tmp/gstreamer.fwht
}
clients=(v4l2enc v4l2-ctl gstreamer)

# Hundredths of a second that the processors worked.
busy() { awk '$1 == "cpu" { print $2 + $3 + $4 + $7 + $8 }' /proc/stat; }
now() { date +%s%2N; }

for node in /sys/class/video4linux/*; do
  if [ "$(<"$node/name")" = stateful-encoder ]; then encoder=/dev/$(basename "$node"); fi
done
declare -A wall cpu calls
for client in "${clients[@]}"; do
  "$client" >/dev/null 2>&1 # what is read for the first time
  wall[$client]=999999 cpu[$client]=999999
done
for ((round = 0; round < rounds; round++)); do
  for client in "${clients[@]}"; do
    start=$(now) work=$(busy)
    "$client" >/dev/null 2>&1
    work=$(($(busy) - work)) start=$(($(now) - start))
    if ((start < wall[$client])); then wall[$client]=$start; fi
    if ((work < cpu[$client])); then cpu[$client]=$work; fi
  done
done
export package encoder
for client in "${clients[@]}"; do
  export -f "${client?}"
  strace -f -c -o /tmp/calls bash -c "$client" >/dev/null 2>&1
  calls[$client]=$(awk -v frames=$frames '
    $NF == "ioctl" { requests += $4 }
    $NF ~ /^(p?poll|p?select6?|epoll_p?wait)$/ { waits += $4 }
    END { printf "%.2f | %.2f", requests / frames, waits / frames }' /tmp/calls)
done
printf '| client | wall, s | all CPU, s | ioctls per frame | waits per frame |\n|---|---|---|---|---|\n'
for client in "${clients[@]}"; do
  printf '| %s | %s | %s | %s |\n' "$client" "$(awk "BEGIN { printf \"%.2f\", ${wall[$client]} / 100 }")" \
    "$(awk "BEGIN { printf \"%.2f\", ${cpu[$client]} / 100 }")" "${calls[$client]}"
done
cmp /tmp/v4l2enc.fwht /tmp/gstreamer.fwht && echo "v4l2enc and GStreamer wrote the same bytes."
