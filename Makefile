# `make demo` shows the project at work, `make test` checks it; each installs what it needs.
SHELL := /bin/bash
.DEFAULT_GOAL := help

.PHONY: help setup build release test lint format examples demo bench clean
.PHONY: kernel-setup test-kernel kernel-shell soak test-sanitize

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## install the Debian packages that are missing
	@Scripts/setup.sh

build: setup ## build everything for debugging
	swift build

release: setup ## build v4l2enc and v4l2-virtual-encoder with optimization
	swift build -c release --product v4l2enc
	swift build -c release --product v4l2-virtual-encoder

test: setup ## lint, build with warnings as errors, run all tests (the kernel guest too) and the examples
	@Scripts/test.sh

lint: ## check the formatting
	swift format lint --strict --parallel --recursive Sources Tests Benchmarks Examples Package.swift

format: ## format all Swift files
	swift format --in-place --parallel --recursive Sources Tests Benchmarks Examples Package.swift

examples: setup ## build and run the example packages
	@Scripts/examples.sh

demo: release ## encode both clips to H.264 and HEVC through the virtual device, and compare
	@Scripts/demo.sh

bench: ## compare with FFmpeg, v4l2-ctl and a bare C client; writes docs/benchmarks.md
	@Scripts/setup.sh --bench
	swift build -c release --product v4l2enc
	swift build -c release --product v4l2-virtual-encoder
	swift build -c release --product encoder-bench
	@python3 Benchmarks/bench.py

kernel-setup: ## make the virtual machine with vicodec, vim2m and vivid (Debian 12)
	@Scripts/kernel/setup.sh

test-kernel: setup ## test against the kernel's own drivers in that machine
	@Scripts/kernel/test.sh

kernel-shell: kernel-setup ## a shell in that machine, on this machine's files
	@Scripts/kernel/run-guest.sh --shell

soak: setup ## the conformance suite through every front (root), 500 random runs, an hour's worth of frames
	V4L2ENC_SOAK=1 V4L2ENC_REQUIRE_FUSE=1 swift test --no-parallel \
		--filter 'FrontTests|RandomRunTests|EnduranceTests'

test-sanitize: setup ## the tests that run in one process, under the thread and the address sanitizer
	@Scripts/test-sanitize.sh

clean: ## remove everything that was built
	rm -rf .build demo-output Examples/*/.build
