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

MODEL := models/resnet20-12e6c-2bit/model.onnx
OUT := out/resnet20-12e6c-2bit

.PHONY: demo
demo: build ## Compile the shipped model; devices, a broker and a worker classify 500 images
	$(HEDGE) compile $(MODEL) -o $(OUT)
	$(HEDGE) demo $(OUT) --images models/cifar10-test-500
