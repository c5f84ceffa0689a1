#!/usr/bin/env bash
# Builds the tests on the host and runs those of the real kernel in the guest, once for each
# planar API of vicodec.
#
#   Scripts/kernel/test.sh [FILTER]     FILTER is a regular expression, KernelTests by default
set -euo pipefail
source "$(dirname "$0")/common.sh"
here=$package/Scripts/kernel
filter=${1:-KernelTests}

step() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }

step "the guest"
"$here/setup.sh"

step "build"
cd "$package"
swift build --build-tests
bundle=$(swift build --show-bin-path)/swift-v4l2-encoderPackageTests.xctest

# Decoding takes the emulated processor many times as long.
step "clips"
clips=$cache/clips
mkdir -p "$clips"
if [ ! -e "$clips/bigbuckbunny.yuv" ]; then
  ffmpeg -nostdin -v error -y -i Fixtures/bigbuckbunny.mp4 -pix_fmt yuv420p -f rawvideo \
    "$clips/new.yuv"
  mv "$clips/new.yuv" "$clips/bigbuckbunny.yuv"
fi

for multiplanar in 0 1; do
  step "vicodec multiplanar=$multiplanar"
  V4L2ENC_KERNEL_CLIPS=$clips "$here/run-guest.sh" --multiplanar "$multiplanar" --timeout 240 \
    "$bundle" --testing-library swift-testing --filter "$filter"
done
step "all passed"
