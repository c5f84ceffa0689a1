#!/usr/bin/env bash
# Encodes the same clip to FWHT on the kernel's own encoder by three clients, in turn, and prints
# a table:
#
#   Scripts/kernel/bench.sh [ROUNDS]      3 by default
#
# The processor is emulated, so that only the comparison means anything. vicodec encodes inside
# the client's QBUF when its queue was empty, in a worker of the kernel otherwise: the client's
# own time compares nothing, all processors' time does. What a frame costs is the difference
# between the whole clip and its first quarter, so that starting and setting up, which happens
# once in a stream of any length, is not spread over the few frames of this clip.
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
short=33
frame_bytes=$((1280 * 720 * 3 / 2))
# On the host's side, reading would be part of the measurement.
cp "$clips/bigbuckbunny.yuv" /tmp/whole.yuv
head -c $((short * frame_bytes)) /tmp/whole.yuv >/tmp/short.yuv
# All of GStreamer's plugins would be looked at before the first frame.
export GST_PLUGIN_SYSTEM_PATH_1_0=/tmp/plugins GST_REGISTRY=/tmp/registry
mkdir /tmp/plugins
ln -s /usr/lib/*/gstreamer-1.0/libgst{coreelements,rawparse,video4linux2}.so /tmp/plugins

# Each takes the clip, `whole` or `short`.
v4l2enc() {
  "$package/.build/release/v4l2enc" encode "/tmp/$1.yuv" --size 1280x720 --format i420 --fps 25 \
    --gop 10 --device "$encoder" --quiet -o /tmp/v4l2enc.fwht
}
v4l2-ctl() {
  command v4l2-ctl -d "$encoder" --stream-mmap --stream-out-mmap --stream-from="/tmp/$1.yuv" \
    --set-fmt-video-out=width=1280,height=720,pixelformat=YU12 --stream-to=/tmp/v4l2-ctl.fwht
}
gstreamer() {
  gst-launch-1.0 -q filesrc location="/tmp/$1.yuv" ! rawvideoparse format=i420 width=1280 \
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
declare -A wall cpu ioctls waits
for client in "${clients[@]}"; do
  "$client" whole >/dev/null 2>&1 # what is read for the first time
  for clip in whole short; do wall[$client-$clip]=999999 cpu[$client-$clip]=999999; done
done
for ((round = 0; round < rounds; round++)); do
  for clip in short whole; do
    for client in "${clients[@]}"; do
      start=$(now) work=$(busy)
      "$client" "$clip" >/dev/null 2>&1
      work=$(($(busy) - work)) start=$(($(now) - start))
      key=$client-$clip
      if ((start < wall[$key])); then wall[$key]=$start; fi
      if ((work < cpu[$key])); then cpu[$key]=$work; fi
    done
  done
done
export package encoder
for client in "${clients[@]}"; do
  export -f "${client?}"
  for clip in short whole; do
    strace -f -c -o /tmp/calls bash -c "$client $clip" >/dev/null 2>&1
    read -r ioctls["$client-$clip"] waits["$client-$clip"] <<<"$(awk '
      $NF == "ioctl" { requests += $4 }
      $NF ~ /^(p?poll|p?select6?|epoll_p?wait)$/ { waits += $4 }
      END { print requests, waits + 0 }' /tmp/calls)"
  done
done

# Hundredths as a number with a point.
decimal() { printf '%d.%02d' $(($1 / 100)) $(($1 % 100)); }
# What one more frame costs, in hundredths of the unit.
marginal() { printf '%d' $((($1 - $2) * 100 / (frames - short))); }
printf '| client | wall, s | all CPU, s | wall per frame, ms | CPU per frame, ms '
printf '| ioctls per frame | waits per frame | ioctls in all |\n|---|---|---|---|---|---|---|---|\n'
for client in "${clients[@]}"; do
  w=$client-whole s=$client-short
  printf '| %s | %s | %s | %s | %s | %s | %s | %s |\n' "$client" \
    "$(decimal "${wall[$w]}")" "$(decimal "${cpu[$w]}")" \
    "$(decimal $(($(marginal "${wall[$w]}" "${wall[$s]}") * 10)))" \
    "$(decimal $(($(marginal "${cpu[$w]}" "${cpu[$s]}") * 10)))" \
    "$(decimal "$(marginal "${ioctls[$w]}" "${ioctls[$s]}")")" \
    "$(decimal "$(marginal "${waits[$w]}" "${waits[$s]}")")" "${ioctls[$w]}"
done
cmp /tmp/v4l2enc.fwht /tmp/gstreamer.fwht && echo "v4l2enc and GStreamer wrote the same bytes."
