#!/usr/bin/env bash
# Decodes the clips that the guest encodes: decoding takes the emulated processor many times as
# long. What is there is not made again.
set -euo pipefail
source "$(dirname "$0")/common.sh"
if [ -d "$clips" ]; then exit 0; fi

say "decoding the clips"
clip=$package/Fixtures/bigbuckbunny.mp4
new=$clips.new
rm -rf "$new"
mkdir -p "$new"
decode() { ffmpeg -nostdin -v error -i "$clip" "$@"; }

decode -pix_fmt yuv420p -f rawvideo "$new/bigbuckbunny.yuv"
# This project's name of a raw format, then FFmpeg's.
for pair in i420=yuv420p nv12=nv12 nv21=nv21 i422=yuv422p yuyv=yuyv422 uyvy=uyvy422 rgb24=rgb24 \
  bgr24=bgr24 bgra=bgra bgrx=bgr0 argb=argb grey=gray; do
  decode -frames:v 2 -pix_fmt "${pair#*=}" -f rawvideo "$new/two.${pair%=*}"
done
decode -frames:v 2 -vf shuffleplanes=0:2:1 -pix_fmt yuv420p -f rawvideo "$new/two.yv12"
mv "$new" "$clips"
