# ArtStore: one-line commands. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
# Tools that tools/setup unpacks without installing their packages.
export PATH := $(PATH):/usr/sbin:/sbin:$(CURDIR)/build/tools/usr/bin:$(CURDIR)/build/tools/usr/sbin
export PYTHONPATH := $(CURDIR)/tools
PYTHON := /usr/bin/python3

.PHONY: help run test test-sanitizers lint bench simulate torture fuzz drill converge package images clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Set up, build, start everything on this machine and show it working (ONESHOT=1: exit with the result)
	@tools/setup build run
	@exec $(PYTHON) -m artstore.mainjob

test: ## Run every check and test; the last line is "N passed, N failed"
	@tools/setup build run test package
	@exec $(PYTHON) -m artstore.alltests

lint: ## Check the style of Swift, Python, shell, YAML and OpenAPI files
	@tools/setup build test
	@exec $(PYTHON) -m artstore.lint --with-swift

bench: ## Measure against nginx (ONLY=name,… for a subset); results in build/bench/results.ndjson
	@tools/setup build run bench
	@exec Tests/Benchmarks/bench

simulate: ## Run the store's crash simulation for long (SEEDS=n, default 1000; SEEDS_FROM=n; SEED=n replays one)
	@tools/setup build
	@exec $(PYTHON) -m artstore.simulate

torture: ## SIGKILL the appliance under uploaders, prove nothing lost (KILLS=n, default 20; UPLOADERS=n, SEED=n)
	@tools/setup build run
	@exec $(PYTHON) Tests/EndToEnd/torture.py

drill: ## Destroy a catalogue, rebuild it from the appliances, prove it equal (FILES=n, APPLIANCES=n)
	@tools/setup build run
	@exec $(PYTHON) -m artstore.drill

converge: ## Partitions, kills, wrong clocks; then the catalogue equals the appliances (APPLIANCES, PARTITIONS, KILLS, SEED)
	@tools/setup build run test
	@exec $(PYTHON) -m artstore.converge
fuzz: ## Fuzz what reads bytes from outside (SECONDS=n for each target, default 20; TARGET=name for one)
	@tools/setup build
	@SECONDS_EACH=$(or $(SECONDS),20) TARGET=$(TARGET) exec $(PYTHON) -m artstore.fuzz

test-sanitizers: ## Run the kit's and the appliance's tests under both sanitizers (ONLY=thread or address)
	@tools/setup build
	@exec $(PYTHON) -m artstore.sanitizers

package: ## Make the appliance's tarball in build/package
	@tools/setup build package
	@exec deploy/appliance/package

images: ## Build both container images with buildah into build/images
	@tools/setup build images
	@exec deploy/images/build

clean: ## Remove everything that was built
	rm -rf build .build appliance/.build controlplane/.build .venv
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
