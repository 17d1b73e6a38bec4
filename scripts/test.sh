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
# What the exactly-once runtime must stand: faults on real Kafka, and a thousand runs in virtual time.
if [[ " $* " == *" pkg "* ]]; then
  (cd pkg && go test -tags process -count=1 -timeout 15m -json ./stream/process) >"$out/process.json" || status=1
  (cd pkg && go test -count=1 -timeout 15m -json -run Whatever ./stream -runs 1000) >"$out/virtual.json" || status=1
fi
# What a sweep of a large target takes: without race detection, which takes most of the time and memory.
if [[ " $* " == *" services "* ]]; then
  (cd services && go test -count=1 -json ./reconciler/process) >"$out/sweep.json" || status=1
fi
python3 scripts/summary.py "$out"/*.json
exit "$status"
