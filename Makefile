# Everything a person or CI does with Hedge. `make help` lists the targets.
SHELL := bash
NODE_MODULES := node_modules/.installed
HEDGE := node dist/cli/main.js

.PHONY: help
help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Install scripts of dependencies are not run: they would fetch what nothing here uses.
$(NODE_MODULES): package.json package-lock.json host/wasm3/package.json
	npm ci --ignore-scripts --no-fund --no-audit
	@touch $@

WASM3 := host/wasm3/build/Release/wasm3.node
$(WASM3): host/wasm3/binding.gyp host/wasm3/install.js $(wildcard host/wasm3/src/* firmware-wasm/kernels/*) $(NODE_MODULES)
	@tools/need.sh cc:build-essential make:build-essential python3:python3
	node host/wasm3/install.js

.PHONY: install
install: $(NODE_MODULES) $(WASM3) ## Install the pinned dependencies and build the wasm3 binding

.PHONY: build
build: install ## Compile TypeScript to dist/
	npm run --silent build

.PHONY: check
check: install ## Types and lint
	npm run --silent check

.PHONY: test-deps
test-deps:
	@tools/need.sh cc:build-essential mosquitto:mosquitto valgrind:valgrind openssl:openssl chromium:chromium pg_createcluster:postgresql

.PHONY: firmware-deps
firmware-deps:
	@tools/need.sh arm-none-eabi-gcc:gcc-arm-none-eabi arm-none-eabi-gcc:libnewlib-arm-none-eabi qemu-system-arm:qemu-system-arm \
	  riscv64-unknown-elf-gcc:gcc-riscv64-unknown-elf riscv64-unknown-elf-gcc:picolibc-riscv64-unknown-elf \
	  qemu-system-riscv32:qemu-system-misc xz:xz-utils
	@tools/firmware/fetch-sources.sh

.PHONY: firmware
firmware: firmware-deps $(NODE_MODULES) ## Build the firmware of every board, in every variant
	@$(MAKE) --no-print-directory -C firmware-wasm all

.PHONY: test
test: test-deps train-deps check build firmware ## Types, lint and every test; installs what they need
	npm test

RUNS ?= 3000
.PHONY: nightly
nightly: build firmware ## Thousands of random networks and graphs, and of slots, lives and frames of devices, others every day (RUNS, HEDGE_SEED)
	HEDGE_RUNS=$(RUNS) HEDGE_SEED=$${HEDGE_SEED:-$$(date +%Y%m%d)} npx vitest run test/random-networks.test.ts test/kernels/random-graphs.test.ts \
	  $(addprefix test/firmware/,slots.test.ts core-device.test.ts link.test.ts fuzz.test.ts)

MODEL := models/resnet20-12e6c-2bit/model.onnx
OUT := out/resnet20-12e6c-2bit

.PHONY: demo
demo: build ## Compile the shipped model; devices, a broker and a worker classify 500 images
	$(HEDGE) compile $(MODEL) -o $(OUT)
	$(HEDGE) demo $(OUT) --images models/cifar10-test-500

.PHONY: fleet
fleet: build ## Compile the shipped model, and simulate fifty cameras with it: a table, and out/fleet/report.html
	$(HEDGE) compile $(MODEL) -o $(OUT)
	$(HEDGE) fleet run models/fleets/small.yaml -o out/fleet
	@echo "The report: out/fleet/report.html"

.PHONY: bench
bench: test-deps build ## Measure the shipped model: `figure NAME VALUE UNIT` lines
	node tools/bench/bench.js $(MODEL) $(OUT)

.PHONY: codegen-deps
codegen-deps: test-deps
	@tools/need.sh clang:clang wasm-ld:lld qemu-system-arm:qemu-system-arm \
	  arm-none-eabi-gcc:gcc-arm-none-eabi arm-none-eabi-gcc:libnewlib-arm-none-eabi

.PHONY: bench-codegen
bench-codegen: codegen-deps build ## Count the emitted code's instructions on x86-64 and an emulated Cortex-M4, against C
	node tools/bench/codegen/main.js

.PHONY: bench-firmware
bench-firmware: test-deps firmware build ## Measure the firmware on emulated boards: sizes, RAM, instructions, identity with the host
	node tools/bench/firmware/main.js $(MODEL)

.PHONY: cloud-deps
cloud-deps: test-deps
	@tools/need.sh taskset:util-linux

.PHONY: bench-cloud
bench-cloud: cloud-deps build ## Measure the worker against onnxruntime alone, its latencies, what devices may do (DURATION)
	node tools/bench/cloud/main.js $(MODEL)

# SCENES: worker_kill broker_kill no_worker store_gone overload poison noisy ingest
.PHONY: soak
soak: cloud-deps build ## Kill, starve, flood and poison the worker tier for half an hour (DURATION=0.1: a tenth of that; SCENES)
	node tools/bench/cloud/soak.js $(MODEL) $(SCENES)

.PHONY: performance
performance: codegen-deps cloud-deps firmware data ## Measure on all test images, and put the figures of all benches into docs/
	@mkdir -p out
	node tools/bench/bench.js $(MODEL) $(OUT) > out/bench.txt
	node tools/bench/update-page.js out/bench.txt docs/performance.md
	node tools/bench/codegen/main.js > out/codegen.txt
	node tools/bench/update-page.js out/codegen.txt docs/performance.md codegen
	node tools/bench/firmware/main.js $(MODEL) > out/firmware.txt
	node tools/bench/update-page.js out/firmware.txt docs/firmware.md firmware
	node tools/bench/cloud/main.js $(MODEL) > out/cloud.txt
	node tools/bench/update-page.js out/cloud.txt docs/cloud.md cloud
	node tools/bench/cloud/soak.js $(MODEL) > out/soak.txt
	node tools/bench/update-page.js out/soak.txt docs/cloud.md soak

# Debian's PyTorch belongs to /usr/bin/python3, and another python3 may come before it on the path.
HAS_MODULES := import sys, importlib.util as u; sys.exit(not all(map(u.find_spec, ('numpy', 'onnx', 'torch'))))
PYTHON ?= $(shell for p in /usr/bin/python3 python3; do $$p -c "$(HAS_MODULES)" 2>/dev/null && echo $$p && break; done)
TRAIN_PACKAGES := python3-torch python3-numpy python3-onnx
TRAIN_NAME ?= my-model
TRAIN_ARGS ?= --depth 20 --edge-blocks 6 --payload-bits 2 --epochs 64

.PHONY: train-deps
train-deps: ## Install what the trainer needs (PyTorch, ONNX), unless it is there
	@if [ -n "$(PYTHON)" ]; then exit 0; \
	elif [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y --no-install-recommends $(TRAIN_PACKAGES); \
	else echo "The trainer lacks PyTorch, NumPy or ONNX. Run: sudo apt-get install $(TRAIN_PACKAGES)" >&2; exit 1; fi

.PHONY: data
data: build ## Fetch CIFAR-10 into data/cifar10 (139 MB)
	$(HEDGE) data cifar10

# A recursive make: PYTHON is looked for anew once train-deps has installed it.
.PHONY: train
train: train-deps data ## Train and export a model (TRAIN_NAME, TRAIN_ARGS)
	@$(MAKE) --no-print-directory train-run

.PHONY: train-run
train-run:
	PYTHONPATH=tools/train $(PYTHON) -m hedge_train.train --data data/cifar10 --out runs/$(TRAIN_NAME) $(TRAIN_ARGS)
	PYTHONPATH=tools/train $(PYTHON) -m hedge_train.export --checkpoint runs/$(TRAIN_NAME)/checkpoint.pt --data data/cifar10 --out models/$(TRAIN_NAME)

.PHONY: docs
docs: build ## Write the pages of docs/ that come from tables in the source
	node tools/docs/update-pages.js

.PHONY: clean
clean: ## Remove what was built; keeps node_modules, data and runs
	rm -rf dist build out coverage host/wasm3/build tools/bench/build
