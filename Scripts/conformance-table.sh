#!/bin/bash
# Runs the conformance suite on every imitated driver, through every front, and writes its table
# into docs/devices.md, between the markers. Needs root and /dev/fuse.
set -euo pipefail
cd "$(dirname "$0")/.."
table=$(mktemp)
trap 'rm -f "$table"' EXIT
V4L2ENC_CONFORMANCE_TABLE=$table V4L2ENC_REQUIRE_FUSE=1 swift test --no-parallel \
  --filter 'ConformanceTests|FrontTests'
[ -s "$table" ] || { echo "conformance-table: the suite wrote no table" >&2; exit 1; }
awk -v table="$table" '
  /<!-- conformance begin -->/ { print; while ((getline line < table) > 0) print line; skip = 1; next }
  /<!-- conformance end -->/ { skip = 0 }
  !skip { print }
' docs/devices.md > "$table.new"
grep -q "conformance end" "$table.new" || { echo "conformance-table: no markers" >&2; exit 1; }
cat "$table.new" > docs/devices.md
rm -f "$table.new"
