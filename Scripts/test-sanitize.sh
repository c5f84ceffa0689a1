#!/usr/bin/env bash
# Runs tests under sanitizers of the compiler.
#
#   test-sanitize.sh [thread|address [FILTER]]   the tests, under both or one; FILTER as of `swift test`
#   test-sanitize.sh sessions                    v4l2enc, and the tests of sessions that share most
#                                                between threads, under the thread sanitizer
#   test-sanitize.sh build                       what both of these need for the thread sanitizer
set -euo pipefail
cd "$(dirname "$0")/.."

# What runs in the test's own process: a sanitizer does not see into others.
filter=${2:-'^(TestSupportTests|V4L2EncoderTests|VirtualDeviceTests|EncoderSessionTests|ConformanceTests)[.]'}
# Of these, what shares most between threads and takes little time.
sessions='^EncoderSessionTests[.](SessionTests|AdmissionTests|BroadcastTests|CallerTests|DroppedKeyFrameTests|EndingTests|LoanTests|MailboxTests|RandomRunTests|RecoveryContinuityTests|RecoveryEndingTests|RecoveryReplacementTests|RecoveryTests|SettingsTests|SimulcastTests|TelemetryTests|WaitingFrameTests|ZeroCopyTests)/'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The lock of the Swift runtime waits in code that is not instrumented.
thread=(--sanitize thread --scratch-path .build/tsan -Xswiftc -DV4L2ENC_TSAN)
address=(--sanitize address --scratch-path .build/asan)
export TSAN_OPTIONS="log_path=$work/findings history_size=4 print_suppressions=0"
TSAN_OPTIONS+=" suppressions=$PWD/Scripts/races-of-others"
export ASAN_OPTIONS="log_path=$work/findings detect_leaks=1"
export LSAN_OPTIONS="suppressions=$PWD/Scripts/leaks-of-others print_suppressions=0"

step() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }

# A finding in a child of a test may leave the test green.
judge() {
  local status=$1
  if compgen -G "$work/findings.*" >/dev/null; then
    cat "$work"/findings.* >&2
    status=66
  fi
  if [ "$status" -ne 0 ]; then
    printf '\n== findings of the sanitizer, or failed tests\n' >&2
    exit "$status"
  fi
}

build_tests() {
  step "build for the $1 sanitizer"
  swift build --build-tests "${@:2}"
}

run_tests() {
  local status=0
  build_tests "$@"
  step "tests under the $1 sanitizer"
  # Nothing here is a test of XCTest, whose runner leaks a little.
  timeout --kill-after=10 3600 swift test --skip-build --disable-xctest --no-parallel "${@:2}" \
    --filter "$filter" || status=$?
  judge "$status"
}

case "${1:-both}" in
  both)
    run_tests thread "${thread[@]}"
    run_tests address "${address[@]}"
    ;;
  thread) run_tests thread "${thread[@]}" ;;
  address) run_tests address "${address[@]}" ;;
  build) build_tests thread "${thread[@]}" ;;
  sessions)
    filter=$sessions
    export V4L2ENC_SEEDS=5
    run_tests thread "${thread[@]}"
    # One that follows the documentation, one without a stop command, one without times.
    for driver in virtual virtual:coda virtual:nvidia virtual:rkmpp; do
      step "v4l2enc on $driver"
      status=0
      timeout --kill-after=10 120 .build/tsan/debug/v4l2enc encode test:motion --quiet --size 320x192 \
        --frames 300 --device "$driver" -o "$work/out.h264" || status=$?
      judge "$status"
      [ -s "$work/out.h264" ]
    done
    ;;
  *)
    printf '%s: thread, address, sessions or build\n' "$1" >&2
    exit 64 # EX_USAGE
    ;;
esac
step "nothing found"
