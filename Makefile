# Nines. `make help` explains the targets.
SHELL := /usr/bin/env bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GO      ?= go
LDFLAGS := -X main.version=$(VERSION)
# Packages with goroutines worth the race detector's price.
RACE := ./incidents/... ./service ./service/httpapi ./service/telemetry ./service/intelligence
# Each fuzz target runs this long under `make fuzz`.
FUZZTIME ?= 30s
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: help setup build run clean test unit race e2e bench lint fuzz verify

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing (PostgreSQL; for tests Prometheus, amtool, Chromium); instant when nothing is
	@scripts/setup.sh test

build: ## Build bin/nines and bin/shop
	@mkdir -p bin
	@$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/nines ./examples/shop

run: ## Start everything: control plane, engine, PostgreSQL and the example shop. Ctrl-C stops, data/ stays
	@scripts/setup.sh run
	@echo "building (the first time takes a few minutes)"
	@$(MAKE) -s build
	@scripts/run.sh

clean: ## Forget what `make run` stored, and the binaries
	@if [ -s data/postgres.location ]; then rm -rf "$$(cat data/postgres.location)"; fi
	rm -rf data bin

test: setup ## Run every test: units, storage, rules, UI, race detector and the whole program end to end
	@$(MAKE) -s build
	$(GO) vet ./...
	$(GO) test ./...
	@$(MAKE) -s race
	@$(MAKE) -s e2e

race: ## Run the concurrent packages under the race detector
	$(GO) test -race -short $(RACE)

e2e: build ## Start the real binary with its children and walk the main loop
	$(GO) test -tags e2e -count=1 -timeout 20m ./e2e/...

bench: build ## Print speed and cost as ratios against the peers, measured in the same run
	@scripts/setup.sh test
	$(GO) test -tags bench -count=1 -timeout 40m -v -run '^TestBench' ./e2e/...
	$(GO) test -run '^$$' -timeout 60m -bench . -benchtime 1s ./slo/... ./capacity/... ./service/intelligence ./incidents/oncall
	$(GO) test -tags bench -run '^$$' -bench . -benchtime 1x ./cmd/nines
	$(GO) test -run '^$$' -timeout 60m -bench BenchmarkSearch -benchtime 1x ./service/postgres -args -closed 1000000 -open 10000

lint: ## gofmt, go vet and staticcheck (staticcheck.conf says which checks and why)
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofmt: $$out"; exit 1; fi
	$(GO) vet ./... && $(GO) vet -tags e2e,bench ./e2e/...
	$(GO) run $(STATICCHECK) ./...

fuzz: ## Fuzz every parser for FUZZTIME each
	@GO=$(GO) scripts/fuzz.sh $(FUZZTIME)

verify: lint test ## All that must pass before a release: lint, tests, module checksums
	$(GO) mod verify
