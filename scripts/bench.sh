#!/usr/bin/env bash
# The benchmarks: the whole pipeline, then its parts. Compare figures within one run only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
echo "## The whole pipeline, to an in-memory target"
bin/joinery bench "$@"
echo
echo "## The runtime, beside the bare loop"
(cd pkg && go run ./stream/bench) || failed=1 # what it could not measure it has said
echo
echo "## The last mile: a provisioner process and a fast SCIM target, beside the bare HTTP loop"
(cd services && go test -run '^$' -bench . -benchtime 1x ./provisioner/process 2>/dev/null | grep -E '^Benchmark')
echo
echo "## The parts (go test -bench)"
(cd pkg && go test -run '^$' -bench . -benchtime 1s ./wire ./policy ./evidence ./stream ./intake/kafka | grep -E '^(Benchmark|pkg:)')
(cd services && go test -run '^$' -bench . -benchtime 1s ./ingest/internal/lifecycle ./policy-resolver/internal/access | grep -E '^(Benchmark|pkg:)')
echo
echo "## A sweep of 100,000 accounts: a reconciler process and an in-memory target"
(cd services && go test -count=1 -v ./reconciler/process | grep -E '^ +[a-z_]+\.go|^(---|FAIL)')
echo
echo "## Five years of 100,000 workers through ingest; an emergency behind a backlog"
(cd services && go test -count=1 -v -run 'History|Backlog' ./ingest/app -args -population 100000 | grep -E '^ +[a-z_]+\.go|^(---|FAIL)')
exit "${failed:-0}"
