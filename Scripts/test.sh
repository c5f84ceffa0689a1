#!/usr/bin/env bash
# Everything that has to hold before a change is accepted.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }
strict=(-Xswiftc -warnings-as-errors -Xcc -Werror)

# Where the device file can be served, a test of it that cannot run is a failure, not a skip.
if [ "${CI:-}" = true ] || { [ "$(id -u)" -eq 0 ] && [ -c /dev/fuse ]; }; then
  export V4L2ENC_REQUIRE_FUSE=1
else
  printf 'not root, or no /dev/fuse: the tests of the device file will be skipped\n'
fi

step "formatting"
swift format lint --strict --parallel --recursive Sources Tests Examples Package.swift

step "build, warnings are errors"
swift build --build-tests "${strict[@]}"

step "tests"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
# One after the other: hundreds at once on two cores would miss their own deadlines, and little is
# won, since most of them wait for other processes. The limit is for a runner that hangs itself.
timeout --kill-after=10 600 swift test --no-parallel "${strict[@]}" 2>&1 | tee "$log" || status=$?
if [ "$status" -eq 124 ]; then printf 'swift test took longer than 600 s\n' >&2; fi
if [ "$status" -ne 0 ]; then
  printf '\n== failed tests\n'
  grep -E '^✘|error:' "$log" | tail -n 40 || true
  exit "$status"
fi

step "build without the GPL codec"
swift build --disable-default-traits --scratch-path .build/without-traits "${strict[@]}" \
  --product v4l2enc
if ldd .build/without-traits/debug/v4l2enc | grep libx265; then
  printf 'v4l2enc without the trait VirtualCodecs is linked to x265\n' >&2
  exit 1
fi

step "examples"
Scripts/examples.sh

step "all passed"
grep -E '(Test run with|Executed) .* tests?' "$log" | tail -n 2
