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
finish() {
  if [ -n "$kernel_setup" ]; then kill "$kernel_setup" 2>/dev/null || true; fi
  if [ -n "$other_builds" ]; then
    pkill -P "$other_builds" 2>/dev/null || true
    kill "$other_builds" 2>/dev/null || true
  fi
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

# Builds of the same sources in other ways, while the tests mostly wait.
build_otherwise() {
  renice -n 19 -p "$BASHPID" >/dev/null
  # The tests themselves take three times as long there: `make test-sanitize`.
  Scripts/test-sanitize.sh command
  step "build without the GPL codec"
  swift build --disable-default-traits --scratch-path .build/without-traits "${strict[@]}" \
    --product v4l2enc
  if ldd .build/without-traits/debug/v4l2enc | grep libx265; then
    printf 'v4l2enc without the trait VirtualCodecs is linked to x265\n' >&2
    return 1
  fi
}
build_otherwise </dev/null >"$work/other-builds" 2>&1 &
other_builds=$!

step "tests"
log=$work/tests
status=0
# One after the other: hundreds at once on two cores would miss their own deadlines, and little is
# won, since most of them wait for other processes. The limit is for a runner that hangs itself.
timeout --kill-after=10 1500 swift test --no-parallel "${strict[@]}" 2>&1 | tee "$log" || status=$?
if [ "$status" -eq 124 ]; then printf 'swift test took longer than 1500 s\n' >&2; fi
if [ "$status" -ne 0 ]; then
  printf '\n== failed tests\n'
  grep -E '^✘|error:' "$log" | tail -n 40 || true
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

step "v4l2enc under the thread sanitizer, and without the GPL codec"
status=0
wait "$other_builds" || status=$?
other_builds=
cat "$work/other-builds"
if [ "$status" -ne 0 ]; then exit "$status"; fi

step "examples"
Scripts/examples.sh

step "all passed"
grep -E '(Test run with|Executed) .* tests?' "$log" | tail -n 2
