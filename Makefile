# Everything a contributor runs. CI runs .ci/run, which uses the same targets.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
ifneq ($(filter 3.80 3.81,$(MAKE_VERSION)),)
$(error this make is $(MAKE_VERSION): GNU make 3.82 or newer is needed, as gmake perhaps)
endif
MAKEFLAGS += --no-print-directory

FUZZTIME ?= 30s
FUZZJOBS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
FUZZ ?= .
N ?= 200
ROUNDS ?= 300
SEEDS ?= 10000
CUTS ?= 20000
GATES ?= 200
HISTORIES ?= 2000
CHECKS ?= 1000
MINUTES ?= 10
JOBS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
FAULTS ?= 0
COUNT ?= 6
SESSIONS ?= 100000
DOCS ?= localhost:8080
REF ?= HEAD~1
ARGS ?=

# Every module of the repository, the root first. tools has no code of its own.
MODULES := $(sort $(shell find . \( -name node_modules -o -name testdata -o -name '.?*' -o -path ./tools \) -prune -o -name go.mod -print | sed 's|/go.mod$$||; s|^\./||'))
LINT := $(CURDIR)/bin/golangci-lint

# The race detector, for all but the C code of SQLite, which was translated to Go: its memory
# is no concern of the detector, and the tests take a third of the time.
RACE := -race '-gcflags=modernc.org/sqlite/lib=-race=false -d=checkptr=0'
# A program with the race detector sleeps for a second before it ends, and tests start hundreds.
export GORACE := atexit_sleep_ms=50

# in-modules runs a command in every module.
define in-modules
	for m in $(MODULES); do echo "--- $$m: $(1)"; (cd "$$m" && $(1)); done
endef

# some fails if no test has run: of go test -v. ran is the same for go test without -v.
some = awk '{ print } /^--- PASS/ { n++ } END { if (!n) print "no test has run"; exit !n }'
ran = awk '{ print } /^ok / && !/no tests to run/ { n++ } END { if (!n) print "no test has run"; exit !n }'

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

## ------------------------------------------------------------------ use

.PHONY: install demo demo-nodes smoke smoke-nodes docs
install: ## installs the command sessile, one static binary, as go install does
	@CGO_ENABLED=0 go -C cmd/sessile install -trimpath .

demo: ## the demo, a small shop with logins; ARGS="-h" shows its flags
	@go build -C cmd/sessile -o "$(CURDIR)/bin/sessile" .
	@exec bin/sessile demo $(ARGS)

demo-nodes: ## the demo on two nodes over a PostgreSQL server of its own, behind a load balancer
	@go -C cmd/sessile run ./nodes $(ARGS)

smoke: ## drives the demo from outside: logs in, kills it with SIGKILL, checks what survived
	@go -C cmd/sessile run ./smoke $(ARGS)

smoke-nodes: ## drives two nodes from outside: kills a node and PostgreSQL with SIGKILL, stalls a feed, checks what holds
	@go -C cmd/sessile run ./smoke -nodes $(ARGS)

docs: bin/pkgsite ## the documentation of every module at http://localhost:8080, as pkg.go.dev shows it; DOCS=localhost:9000 names another address
	@bin/pkgsite -list=false -http '$(DOCS)' $(MODULES)

## ---------------------------------------------------------------- check

.PHONY: build test test-short test-browser cover arch
build: ## compiles everything
	@$(call in-modules,go build ./...)

test: ## every test of every module, with the race detector
	@{ $(call in-modules,go test $(RACE) -timeout=30m $(ARGS) ./...); } | $(ran)

test-short: ## the same without the long tests and the race detector
	@{ $(call in-modules,go test -short $(ARGS) ./...); } | $(ran)

test-browser: ## the demo in a real browser; installs Chromium if it is missing
	@sh e2e/run.sh

arch: ## checks dependencies between packages, the clock, goroutines and sizes
	@go test -count=1 ./internal/arch | $(ran)

cover: ## statement coverage by package; the profile is out/cover.out
	@mkdir -p out
	@go test -short -coverpkg=./... -coverprofile=out/cover.out ./... | $(ran)
	@go tool cover -func=out/cover.out | tail -1

.PHONY: lint vet vet-ports fmt fmt-check tidy-check hygiene words walks alerts vuln
lint: bin/golangci-lint ## the linters, in every module
	@.ci/whole $(MODULES) -- "$(LINT)" run

vet: ## go vet, in every module
	@$(call in-modules,go vet ./...)

vet-ports: bin/gopackages ## type-checks every package and its tests for Windows, macOS and 32 bits; PORTS="GOOS=freebsd" names another
	@.ci/whole $(MODULES) -- .ci/ports

fmt: bin/golangci-lint ## formats the code
	@$(call in-modules,"$(LINT)" fmt --config "$(CURDIR)/.golangci.yml" ./...)

fmt-check: ## fails if gofmt would change a file
	@files=$$(find . \( -name node_modules -o -name testdata -o -name '.?*' \) -prune -o -name '*.go' -print0 | xargs -0 gofmt -l); \
	  if [ -n "$$files" ]; then printf 'not formatted:\n%s\n' "$$files"; exit 1; fi

tidy-check: ## fails if go mod tidy would change a module
	@$(call in-modules,go mod tidy -diff)

hygiene: ## fails if a file names a path of one machine or a package registry
	@.ci/hygiene

words: ## fails if code or pages use a word from the list of private words
	@.ci/words

walks: ## counts the functions and files of package actor that a call runs through
	@.ci/walks

alerts: ## checks the alert rules and the queries of the dashboard with promtool
	@command -v promtool >/dev/null || { echo "promtool is not installed (Debian: apt-get install prometheus)"; exit 1; }
	@go -C metrics/prometheus test -count=1 -v -run '^TestPromtool' -promtool=promtool . | $(some)

vuln: bin/govulncheck ## known vulnerabilities; asks the Go vulnerability database
	@$(call in-modules,"$(CURDIR)/bin/govulncheck" ./...)

## ------------------------------------------------------------ harnesses

.PHONY: fuzz kill foreign failover sim faults cuts lin coherence model stress prove prove-controls mutants
fuzz: ## runs every fuzz target for FUZZTIME=30s, FUZZJOBS at a time; FUZZ=Token selects by name
	@FUZZTIME=$(FUZZTIME) FUZZJOBS=$(FUZZJOBS) .ci/fuzz '$(FUZZ)' $(MODULES)

kill: ## N=200 SIGKILLs while it writes, half as many SIGTERMs, and SIGKILLs while it opens: what it acknowledged must be there
	@go test ./internal/kill -count=1 -timeout=30m -run '^TestKill' -v -kill.rounds=$(N) $(ARGS) | $(some)

foreign: ## ROUNDS=300 rounds in which other programs modify the file of a running store: the sqlite3 shell, mv, cp, rm, truncate, links, modes, a full volume
	@command -v sqlite3 >/dev/null || { echo "the sqlite3 shell is not installed (Debian: apt-get install sqlite3)"; exit 1; }
	@go test ./internal/foreign -count=1 -timeout=180m -run '^TestForeign' -v -foreign.rounds=$(ROUNDS) $(ARGS) | grep -v '^ *=== \|^ *--- PASS: [^ ]*/' | $(some)

failover: ## ROUNDS=10 failovers of PostgreSQL to a synchronous standby under load, and twice as many SIGKILLs of it: what it acknowledged must be there
	@go -C persist/postgres test ./internal/failover -count=1 -timeout=120m -run '^TestFailover' -v -failover.rounds=$(or $(filter-out 300,$(ROUNDS)),10) $(ARGS) | grep -v '^ *=== \|^ *--- PASS: [^ ]*/' | $(some)

sim: ## SEEDS=10000 simulated runs of a store with crashes, failures and clock jumps
	@go test ./actor -count=1 -timeout=30m -run '^TestSimulat|^TestPublishNotices' -v -sim.seeds=$(SEEDS) $(ARGS) | $(some)

faults: ## fails every I/O call of a store in every way; FAULTS=5000 tries that many
	@go test ./internal/faults -count=1 -timeout=30m -v -run '^TestFaults|^TestDisk' -faults=$(FAULTS) $(ARGS) | grep -v '^=== ' | $(some)

cuts: ## CUTS=20000 simulated power cuts, and GATES=200 runs with failing syncs
	@.ci/at-once $(JOBS) go test ./internal/power -count=1 -timeout=180m -v -run '^TestPower(Cut|Failed|Notices)' \
	  -cuts=$$(( $(CUTS) / $(JOBS) )) -gates=$$(( $(GATES) / $(JOBS) )) $(ARGS) | grep -v '^=== \|^ *--- PASS: [^ ]*/' | $(some)

lin: ## HISTORIES=2000 histories of concurrent calls, half of them with a crash: does a sequential order explain them?
	@go test ./internal/lin -count=1 -timeout=180m -run '^TestCallsAre' -v -lin.jobs=$(JOBS) -lin.histories=$(HISTORIES) $(ARGS) | $(some)

coherence: ## MINUTES=10 of three nodes in processes of their own over PostgreSQL, while connections stall, processes die and clocks are set
	@go -C persist/postgres test ./internal/coherence -count=1 -timeout=180m -run '^TestCoherenceHolds' -v -coherence.time=$(MINUTES)m $(ARGS) | grep -v '^=== ' | $(some)

model: ## compares CHECKS=1000 random sequences with evictions, broken disks, crashes and clock jumps with a model
	@go test . -count=1 -timeout=240m -v -run '^TestModelHolds' -model.jobs=$(JOBS) -rapid.checks=$$(( $(CHECKS) / $(JOBS) )) -model.steps=100 $(ARGS) | $(some)

stress: ## a full disk, another process's lock, the WAL under load, a disk that stalls, ten times the load
	@go test ./internal/stress -count=1 -timeout=120m -v $(ARGS) | grep -v '^ *=== \|^ *--- PASS: [^ ]*/' | $(some)

prove: ## runs the long versions of all of these (hours); writes out/scorecard.md
	@SEEDS=$(or $(filter-out 10000,$(SEEDS)),1000000) N=$(or $(filter-out 200,$(N)),5000) .ci/prove

prove-controls: ## breaks the store on purpose; each harness must notice
	@go test -count=1 -timeout=30m -v ./actor ./internal/kill ./internal/foreign ./internal/power ./internal/faults ./internal/lin ./internal/stress ./internal/arch ./persist/persisttest ./persist/sqlite \
	  -run 'Notice|^TestArchNoticesEveryViolation|^TestArchHasAControlForEveryRule' $(ARGS) | grep -v '^=== ' | $(some)
	@go -C persist/postgres test -count=1 -timeout=30m -v ./internal/failover ./internal/coherence -run Notice $(ARGS) | grep -v '^=== ' | $(some)

mutants: bin/gremlins ## changes the code one place at a time; a test must fail (hours)
	@for p in actor cache persist/sqlite middleware; do "$(CURDIR)/bin/gremlins" unleash ./$$p; done

## -------------------------------------------------------------- measure

.PHONY: sizes bench bench-quick soak overload bench-tables bench-compare
sizes: ## the size of a hello world alone, with sessions in memory, and with sessions in SQLite
	@go test -count=1 -v -run '^TestPrograms' ./internal/sizes | $(some)

bench: ## measures Sessile, rivals and the floor in one run, SESSIONS=100000; writes bench/results (most of an hour, 7 GB); ARGS="-parts=cold,huge" selects parts
	@command -v redis-server >/dev/null || echo "redis-server is not installed (Debian: apt-get install redis-server): scs over Redis is left out"
	@command -v wrk >/dev/null || echo "wrk is not installed (Debian: apt-get install wrk): HTTP is left out"
	@go -C bench test -count=1 -timeout=3h -run '^TestFull$$' -full -sessions=$(SESSIONS) $(ARGS) . | grep -v '^=== ' | $(ran)

bench-quick: ## prints a line per ratio against other libraries and the floor, and what it leaves out, in 45 seconds
	@go -C bench test -count=1 -timeout=10m -run '^TestQuick$$' -quick $(ARGS) . | grep '^ratio\|^sustained\|^left out\|^--- FAIL\|_test.go:'

soak: ## runs a store for MINUTES=10 at 80 % of its sustained rate, with 100,000 hot sessions of a million; writes bench/results: a row a minute as CSV and SVG
	@go -C bench test -count=1 -timeout=24h -v -run '^TestSoak$$' -soak=$(MINUTES)m $(ARGS) . | grep -v '^=== ' | $(some)

overload: ## offers a store ten times what it sustains, for a minute each of sets and of logins; ARGS=-overload=20s is shorter
	@go -C bench test -count=1 -timeout=1h -v -run '^TestOverload$$' -overload=60s $(ARGS) . | grep -v '^=== ' | $(some)

bench-tables: ## writes the tables of docs/benchmarks.md and README.md from bench/results
	@go -C bench test -count=1 -run '^TestTables' -update . | $(ran)

bench-compare: bin/benchstat ## compares the benchmarks at REF=HEAD~1 and now, COUNT=6 runs of each
	@.ci/compare '$(REF)' '$(COUNT)'

## ---------------------------------------------------------------- tools

# The versions are in tools/go.mod; the programs are built once.
bin/%: tools/go.mod tools/go.sum
	@echo "building $(@F)"
	@mkdir -p bin
	@go build -C tools -trimpath -o "$(CURDIR)/bin/$(@F)" $$(go -C tools list -f '{{.ImportPath}}' tool | grep '/$(@F)$$')
	@touch $@

.PHONY: tools clean
tools: bin/golangci-lint bin/benchstat bin/govulncheck bin/gremlins bin/gopackages bin/pkgsite ## the programs that lint, bench, vuln, mutants, vet-ports and docs need

clean: ## removes what was built
	rm -rf bin out
