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

"$here/clips.sh"

run() {
  V4L2ENC_KERNEL_CLIPS=$clips "$here/run-guest.sh" --multiplanar "$1" --timeout 300 \
    "$bundle" --testing-library swift-testing --filter "$filter"
}

# Both at once, as one guest does not fill two processors; one after the other to be read.
step "vicodec multiplanar=0"
log=$(mktemp)
run 1 >"$log" 2>&1 &
other=$!
trap 'kill "$other" 2>/dev/null || true; rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
status=0
run 0 || status=$?
step "vicodec multiplanar=1"
wait "$other" || status=$?
cat "$log"
[ "$status" -eq 0 ] || exit "$status"
step "all passed"
