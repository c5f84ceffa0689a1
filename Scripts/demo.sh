#!/usr/bin/env bash
# Encodes both clips to H.264 and HEVC through the virtual V4L2 device, decodes the results with
# ffmpeg and compares them with the originals. Fails when a frame is missing or quality is poor.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=.build/release
out=demo-output
node=$out/encoder-device
work=$(mktemp -d)
server=
failures=0
rows=()

say() { printf '%s\n' "$*"; }

clean_up() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    # The next run must not find half a mount.
    for ((tries = 0; tries < 100; tries++)); do
      [ -d "/proc/$server" ] || break
      sleep 0.05
    done
  fi
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Sets $device: the device file if it can be served here, else the in-process device.
choose_device() {
  local answer
  device=virtual
  if [ "$(id -u)" -ne 0 ]; then
    say "not root: a device file cannot be served, so the in-process device is used (--device virtual)"
  elif [ ! -c /dev/fuse ]; then
    say "no /dev/fuse here: the in-process device is used (--device virtual)"
  elif ! answer=$("$bin/v4l2-virtual-encoder" "$node" 2>&1); then
    say "the device file cannot be served: $answer"
    say "the in-process device is used instead (--device virtual)"
  else
    say "$answer"
    server=$(sed -n 's/.*(pid \([0-9]*\)).*/\1/p' <<<"$answer")
    device=$node
  fi
}

# Counts the frames a decoder finds in a stream.
count_frames() {
  ffprobe -v error -count_frames -select_streams v:0 -show_entries stream=nb_read_frames \
    -of default=nokey=1:noprint_wrappers=1 "$1"
}

# The luma PSNR of a stream against the original, frame by frame in order.
luma_psnr() {
  local in_order='settb=1/25,setpts=N'
  ffmpeg -nostdin -hide_banner -i "$1" -i "$2" \
    -lavfi "[0:v]${in_order}[a];[1:v]${in_order}[b];[a][b]psnr" -f null - 2>&1 |
    sed -n 's/.*PSNR y:\([0-9.inf]*\) .*/\1/p'
}

# demonstrate NAME ORIGINAL CODEC SUFFIX BITRATE MINIMUM-PSNR
demonstrate() {
  local name=$1 original=$2 codec=$3 result=$out/$1.$4 bitrate=$5 minimum=$6
  local frames decoded quality verdict started ended
  frames=$(count_frames "$original")
  say ""
  say "\$ v4l2enc encode $name.y4m -o $result --device $device --codec $codec --bitrate $bitrate"
  started=$EPOCHREALTIME
  "$bin/v4l2enc" encode "$original" -o "$result" --device "$device" --codec "$codec" \
    --bitrate "$bitrate"
  ended=$EPOCHREALTIME
  decoded=$(count_frames "$result")
  quality=$(luma_psnr "$result" "$original")
  verdict=ok
  if [ "$decoded" != "$frames" ]; then
    verdict="FAILED: $frames frames in, $decoded out"
  elif ! awk "BEGIN { exit !(${quality:-0} >= $minimum) }"; then
    verdict="FAILED: PSNR-Y below $minimum dB"
  fi
  if [ "$verdict" != ok ]; then failures=$((failures + 1)); fi
  rows+=("$(awk -v file="$result" -v frames="$frames" -v decoded="$decoded" \
    -v quality="$quality" -v bytes="$(stat -c %s "$result")" \
    -v seconds="$(awk "BEGIN { print ${ended/,/.} - ${started/,/.} }")" -v verdict="$verdict" \
    'BEGIN { printf "%-32s %6d %7d %9.2f %10d %8.1f  %s",
      file, frames, decoded, quality, bytes, frames / seconds, verdict }')")
}

rm -rf "$out"
mkdir -p "$out"
choose_device

for clip in bigbuckbunny carphone_pristine; do
  ffmpeg -nostdin -v error -y -i "Fixtures/$clip.mp4" -map 0:v:0 -pix_fmt yuv420p \
    -f yuv4mpegpipe "$work/$clip.y4m"
done
# 720p at 4 Mbit/s and a QCIF clip at 300 kbit/s; a picture below these is broken, not just poor.
demonstrate bigbuckbunny "$work/bigbuckbunny.y4m" h264 h264 4M 38
demonstrate bigbuckbunny "$work/bigbuckbunny.y4m" hevc h265 4M 38
demonstrate carphone "$work/carphone_pristine.y4m" h264 h264 300k 32
demonstrate carphone "$work/carphone_pristine.y4m" hevc h265 300k 32

say ""
say "$(printf '%-32s %6s %7s %9s %10s %8s' file 'frames' decoded 'PSNR-Y dB' bytes fps)"
printf '%s\n' "${rows[@]}"
say ""
say "The streams are in $PWD/$out; play one with: ffplay $out/bigbuckbunny.h264"
if [ "$failures" -gt 0 ]; then
  say "$failures of ${#rows[@]} failed" >&2
  exit 1
fi
