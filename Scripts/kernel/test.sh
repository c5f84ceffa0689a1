#!/usr/bin/env bash
# Builds the tests on the host and runs those of the real kernel in the guest, once for each
# planar API of vicodec, and those of the camera alone once.
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

# The camera's own suites have nothing to do with vicodec's planar API: they run once, beside the
# others, and mostly wait for the camera.
camera='KernelTests/(CaptureCommand|CaptureSignals|Signals)/'
guests=(multiplanar=0 multiplanar=1)
if [ "$filter" = KernelTests ]; then guests+=(camera); fi

run() {
  local multiplanar=1 cpus=1 tests=(--filter "$filter")
  case $1 in
  # Emulating a second processor costs a quarter of both, so only one guest has it: the one whose
  # camera fills buffers while the encoder empties others.
  camera) tests=(--filter "$camera") cpus=2 ;;
  multiplanar=*)
    multiplanar=${1#*=}
    if [ "$filter" = KernelTests ]; then tests+=(--skip "$camera"); fi
    ;;
  esac
  V4L2ENC_KERNEL_CLIPS=$clips "$here/run-guest.sh" --multiplanar "$multiplanar" --cpus "$cpus" \
    --timeout 900 "$bundle" --testing-library swift-testing "${tests[@]}"
}

logs=$(mktemp -d)
others=()
finish() {
  if [ ${#others[@]} -gt 0 ]; then kill "${others[@]}" 2>/dev/null || true; fi
  rm -rf "$logs"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# All at once, as one guest does not fill two processors; one after the other to be read.
for guest in "${guests[@]:1}"; do
  run "$guest" >"$logs/$guest" 2>&1 &
  others+=($!)
done
status=0
step "vicodec, ${guests[0]}"
run "${guests[0]}" 2>&1 | tee "$logs/${guests[0]}" || status=$?
for guest in "${guests[@]:1}"; do
  step "vicodec, $guest"
  wait "${others[0]}" || status=$?
  others=("${others[@]:1}")
  cat "$logs/$guest"
done

# Failed tests, and those that began and never ended, by name.
if [ "$status" -ne 0 ]; then
  for guest in "${guests[@]}"; do
    awk -v "where=vicodec, $guest" '
      /^◇ Test (case|run) / { next }
      /^◇ Test .* started\.$/ { sub(/^◇ /, ""); sub(/ started\.$/, ""); open[$0] = 1 }
      /^(✔|✘) Test / {
        name = $0
        sub(/^[^ ]* /, "", name)
        sub(/ (with [0-9]+ test cases? )?((passed|failed) after|recorded an issue) .*$/, "", name)
        delete open[name]
      }
      /^✘ (Test|Suite) .* failed after/ { print where ": " $0 }
      END { for (name in open) print where ": never ended: " name }' "$logs/$guest"
  done | sort >"$logs/failed"
  step "failed"
  cat "$logs/failed"
  exit "$status"
fi
step "all passed"
