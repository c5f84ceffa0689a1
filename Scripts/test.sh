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

# Why the kernel's drivers cannot be tested here; empty when they can.
without_kernel() {
  local ID='' VERSION_ID=''
  if [ -r /etc/os-release ]; then source /etc/os-release; fi
  if [ -n "${WITHOUT_KERNEL:-}" ]; then
    printf 'WITHOUT_KERNEL is set'
  elif [ "$ID $VERSION_ID" != 'debian 12' ] || [ "$(dpkg --print-architecture)" != amd64 ]; then
    printf 'this is not Debian 12 on amd64, whose kernel and drivers they need'
  elif [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; then
    printf 'neither root nor sudo without a password, to install QEMU and kernel headers'
  fi
}

work=$(mktemp -d)
kernel_setup=
other_builds=
session_tests=
end_tree() {
  local child
  for child in $(pgrep -P "$1"); do end_tree "$child"; done
  kill "$1" 2>/dev/null || true
}
finish() {
  local job
  for job in $kernel_setup $other_builds $session_tests; do end_tree "$job"; done
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

reason=$(without_kernel)
if [ -z "$reason" ]; then
  # What it downloads comes while the tests are compiled.
  Scripts/kernel/setup.sh </dev/null >"$work/kernel-setup" 2>&1 &
  kernel_setup=$!
elif [ "${CI:-}" = true ]; then
  printf 'the tests of the kernel drivers cannot run: %s\n' "$reason" >&2
  exit 69 # EX_UNAVAILABLE
else
  printf 'the tests of the kernel drivers will be skipped: %s\n' "$reason"
fi

step "formatting"
swift format lint --strict --parallel --recursive Sources Tests Benchmarks Examples Package.swift

step "build, warnings are errors"
swift build --build-tests "${strict[@]}"

# The same sources built in other ways while the tests mostly wait, and then v4l2enc and the tests
# of sessions under the thread sanitizer; the whole suite under both is `make test-sanitize`.
build_otherwise() {
  nice -n 19 Scripts/test-sanitize.sh build
  step "build without the GPL codec"
  nice -n 19 swift build --disable-default-traits --scratch-path .build/without-traits \
    "${strict[@]}" --product v4l2enc
  if ldd .build/without-traits/debug/v4l2enc | grep libx265; then
    printf 'v4l2enc without the trait VirtualCodecs is linked to x265\n' >&2
    return 1
  fi
  Scripts/test-sanitize.sh sessions
}
build_otherwise </dev/null >"$work/other-builds" 2>&1 &
other_builds=$!

step "tests"
bundle=$(swift build --show-bin-path)/swift-v4l2-encoderPackageTests.xctest
# One after the other, since hundreds at once on two cores would miss their own deadlines; but most
# of them wait, so there are two such runs beside each other. The limit is for one that hangs itself.
run_tests() {
  local status=0
  timeout --kill-after=10 1500 "$bundle" --testing-library swift-testing --no-parallel "$@" 2>&1 ||
    status=$?
  if [ "$status" -eq 124 ]; then printf 'error: the tests took longer than 1500 s\n'; fi
  return "$status"
}
sessions='^EncoderSessionTests[.]'
run_tests --filter "$sessions" </dev/null >"$work/session-tests" &
session_tests=$!
status=0
run_tests --skip "$sessions" | tee "$work/other-tests" || status=$?
step "tests of sessions, which ran beside the others"
wait "$session_tests" || status=$?
session_tests=
cat "$work/session-tests"
if [ "$status" -ne 0 ]; then
  printf '\n== failed tests\n'
  grep -hE '✘|^error:|^violation:|^V4L2ENC_SEED=' "$work/other-tests" "$work/session-tests" | tail -n 40 || true
  exit "$status"
fi

if [ -n "$kernel_setup" ]; then
  step "the machine for the kernel drivers"
  status=0
  wait "$kernel_setup" || status=$?
  kernel_setup=
  if [ "$status" -ne 0 ]; then
    cat "$work/kernel-setup" >&2
    exit "$status"
  fi
  tail -n 1 "$work/kernel-setup"
  Scripts/kernel/test.sh --built
fi

step "sessions under the thread sanitizer, and v4l2enc without the GPL codec"
status=0
wait "$other_builds" || status=$?
other_builds=
cat "$work/other-builds"
if [ "$status" -ne 0 ]; then exit "$status"; fi

step "examples"
Scripts/examples.sh

step "all passed"
grep -hE 'Test run with .* tests?' "$work/other-tests" "$work/session-tests"
