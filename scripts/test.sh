#!/usr/bin/env bash
# Runs the tests of the modules given, with race detection, in random order, and sums up what was skipped and why.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
status=0
for module in "$@"; do
  (cd "$module" && go test -race -shuffle=on -timeout 15m -json ./... ) >"$out/$module.json" || status=1
done
python3 scripts/summary.py "$out"/*.json
exit "$status"
