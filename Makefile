# Targets for contributors. "make demo" and "make test" only need Go, make and
# git.
GO ?= go
TOOL = $(GO) tool -modfile=.ci/tools.mod
SCRIPTS = .ci/run .ci/fuzz .ci/servers .ci/release .ci/extras .ci/sbom .ci/licences .ci/check-licences .ci/reproducible $(wildcard .github/actions/*/*.sh examples/*/*.sh)

.PHONY: build snapshot demo test race lint fuzz golden vuln bench cover clean

build:
	$(GO) build -o mkhooks .

snapshot:
	.ci/release --snapshot

demo:
	@$(GO) run ./examples/demo

# The fault matrix alone starts about 2,000 processes. On a busy machine this
# exceeds the 10 minutes that Go allows per package.
test:
	$(GO) test -timeout 30m ./...

race:
	$(GO) test -race -timeout 50m ./...

lint:
	@out=$$(gofmt -l .); if [ -n "$$out" ]; then echo "gofmt -w is wanted by:"; echo "$$out"; exit 1; fi
	@if ls sync/*.go >/dev/null 2>&1; then echo "sync/ is a namespace: no Go file belongs directly in it"; exit 1; fi
	$(GO) vet ./...
	$(TOOL) staticcheck -checks=all,-ST1003 ./...
	$(TOOL) actionlint
	@if command -v shellcheck >/dev/null; then shellcheck --external-sources $(SCRIPTS); else echo "shellcheck is not on the PATH: scripts, and scripts in workflows, are not checked"; fi

fuzz:
	.ci/fuzz 60s

golden:
	$(GO) test ./sync/... ./schema/... -update

# vuln queries the Go vulnerability database, so it needs the network.
vuln:
	$(TOOL) govulncheck ./...

bench:
	@$(GO) run ./examples/bench

cover:
	$(GO) test -coverprofile=cover.prof ./... && $(GO) tool cover -func=cover.prof | tail -n 1

clean:
	rm -rf mkhooks cover.prof dist .ci/build
