#!/usr/bin/env bash
# Builds the tests on the host and runs those of the real kernel in the guest, once for each
# planar API of vicodec.
#
#   Scripts/kernel/test.sh [--built] [FILTER]
#
# FILTER is a regular expression, KernelTests by default; --built takes the tests as they are.
set -euo pipefail
source "$(dirname "$0")/common.sh"
here=$package/Scripts/kernel
built=0
if [ "${1:-}" = --built ]; then built=1 && shift; fi
filter=${1:-KernelTests}

step() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }

step "the guest"
"$here/setup.sh"

cd "$package"
if [ "$built" -eq 0 ]; then
  step "build"
  swift build --build-tests
fi
bundle=$(swift build --show-bin-path)/swift-v4l2-encoderPackageTests.xctest

"$here/clips.sh"

run() {
  V4L2ENC_KERNEL_CLIPS=$clips "$here/run-guest.sh" --multiplanar "$1" --timeout 480 \
    "$bundle" --testing-library swift-testing --filter "$filter"
}

logs=$(mktemp -d)
other=
finish() {
  if [ -n "$other" ]; then kill "$other" 2>/dev/null || true; fi
  rm -rf "$logs"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Both at once, as one guest does not fill two processors; one after the other to be read.
step "vicodec multiplanar=0"
run 1 >"$logs/1" 2>&1 &
other=$!
status=0
run 0 2>&1 | tee "$logs/0" || status=$?
step "vicodec multiplanar=1"
wait "$other" || status=$?
other=
cat "$logs/1"

# Failed tests, and those that began and never ended, by name.
if [ "$status" -ne 0 ]; then
  for multiplanar in 0 1; do
    awk -v "where=vicodec multiplanar=$multiplanar" '
      /^◇ Test (case|run) / { next }
      /^◇ Test .* started\.$/ { sub(/^◇ /, ""); sub(/ started\.$/, ""); open[$0] = 1 }
      /^(✔|✘) Test / {
        name = $0
        sub(/^[^ ]* /, "", name)
        sub(/ (with [0-9]+ test cases? )?((passed|failed) after|recorded an issue) .*$/, "", name)
        delete open[name]
      }
      /^✘ (Test|Suite) .* failed after/ { print where ": " $0 }
      END { for (name in open) print where ": never ended: " name }' "$logs/$multiplanar"
  done | sort >"$logs/failed"
  step "failed"
  cat "$logs/failed"
  exit "$status"
fi
step "all passed"
