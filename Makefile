# Everything a person or CI does with Hedge. `make help` lists the targets.
SHELL := bash
NODE_MODULES := node_modules/.installed
HEDGE := node dist/cli/main.js

.PHONY: help
help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(NODE_MODULES): package.json package-lock.json host/wasm3/package.json
	npm ci --no-fund --no-audit
	@touch $@

.PHONY: install
install: $(NODE_MODULES) ## Install the pinned dependencies and build the wasm3 binding

.PHONY: build
build: $(NODE_MODULES) ## Compile TypeScript to dist/
	npm run --silent build

.PHONY: check
check: $(NODE_MODULES) ## Types and lint
	npm run --silent check

.PHONY: test
test: check build ## Types, lint and every test
	npm test
