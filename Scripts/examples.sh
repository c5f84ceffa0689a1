#!/usr/bin/env bash
# Builds and runs the example packages as a stranger's packages would be.
set -euo pipefail
cd "$(dirname "$0")/../Examples"
strict=(-Xswiftc -warnings-as-errors)
# SwiftPM does not see files that were added to a package it depends on by path.
touch ./*/Package.swift

printf -- '-- EncodeTenLines\n'
# The README shows this program: the first Swift code in it, to the letter.
if ! diff <(awk '/^```swift$/ { inside = 1; next } /^```$/ { if (inside) exit } inside' ../README.md) \
  EncodeTenLines/Sources/EncodeTenLines/main.swift; then
  printf 'README.md does not show Examples/EncodeTenLines as it is\n' >&2
  exit 1
fi
swift build --package-path EncodeTenLines "${strict[@]}"
program=EncodeTenLines/.build/debug/EncodeTenLines
if ldd "$program" | grep libx265; then
  printf 'an app that uses the library without traits is linked to x265\n' >&2
  exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
program=$PWD/$program
(cd "$work" && "$program")
frames=$(ffprobe -v error -count_frames -select_streams v:0 \
  -show_entries stream=nb_read_frames -of default=nokey=1:noprint_wrappers=1 "$work/picture.h264")
if [ "$frames" != 50 ]; then
  printf 'picture.h264 decodes to %s frames instead of 50\n' "${frames:-no}" >&2
  exit 1
fi

printf -- '-- AppWithTests\n'
swift test --package-path AppWithTests "${strict[@]}"
