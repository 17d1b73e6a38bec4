#!/usr/bin/env bash
# The benchmarks: the whole pipeline, then its parts. Compare figures within one run only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
echo "## The whole pipeline, to an in-memory target"
bin/joinery bench "$@"
echo
echo "## The parts (go test -bench)"
(cd pkg && go test -run '^$' -bench . -benchtime 1s ./stream/... ./wire ./policy ./evidence 2>/dev/null | grep -E '^(Benchmark|pkg:)')
(cd services && go test -run '^$' -bench . -benchtime 1s ./ingest/internal/lifecycle ./policy-resolver/internal/access 2>/dev/null | grep -E '^(Benchmark|pkg:)')
