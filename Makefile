# Every target installs what it lacks, and can be run twice. `make help` lists them.
SHELL := /bin/bash
MODULES := schemas pkg services
BINARIES := joinery ingest policy-resolver approval provisioner reconciler evidence-sink console
GOLANGCI := v2.15.0
export GOFLAGS := -buildvcs=false

.DEFAULT_GOAL := help
.PHONY: help build demo test check bench soak mutate lint tools clean

help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## every binary into bin/
	@mkdir -p bin
	@cd services && go build -trimpath -o ../bin/ $(addprefix ./,$(BINARIES))

demo: build ## the main job: a scripted month of the example company, every end state read back from the targets
	@scripts/tools.sh run
	@bin/joinery demo

test: tools ## the whole test suite
	@scripts/test.sh $(MODULES)

check: build lint test ## what CI runs: build, lint, configuration, schemas, every test
	@cd services && go test -count=1 -run RandomLives ./ingest/internal/lifecycle # without race detection: 100,000 of them
	@bin/joinery schemas check
	@bin/joinery config check deploy/examples/acme
	@bin/joinery policy test deploy/examples/acme
	@for m in $(MODULES); do (cd $$m && GOWORK=off go build ./...) || exit 1; done

bench: build tools ## the benchmarks, as tables with machine and versions
	@scripts/bench.sh

soak: tools ## faults on a real Kafka broker as in `make check`, ten times as many, and every fault of a target at every place; JOINERY_SOAK=100 for a hundred times
	@cd pkg && JOINERY_SOAK=$${JOINERY_SOAK:-10} go test -race -count=1 -tags process -timeout 0 -v ./stream/process
	@cd services && JOINERY_SOAK=1 go test -race -count=1 -timeout 0 -v -run 'Matrix|Drift' ./provisioner/process

mutate: ## each protection of the runtime switched off in turn: its test must go red
	@cd pkg && go run ./stream/mutate

lint: ## vet, gofmt, and the rules that keep cores pure
	@test -z "$$(gofmt -l $(MODULES) | grep -v testdata)" || { gofmt -l $(MODULES); echo "run gofmt -w on these"; exit 1; }
	@for m in $(MODULES); do (cd $$m && go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI) run ./...) || exit 1; done

tools: ## installs what the tests need and the machine lacks
	@scripts/tools.sh

clean: ## what was built
	@rm -rf bin
