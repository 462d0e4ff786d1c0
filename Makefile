# Everything a person or CI does here. `make help` lists it.
# A fresh Debian or Ubuntu needs Rust, make and a C compiler; what else a target wants, its script installs and says so.

CARGO ?= cargo
BIN   := target/release/hongyan
# Long tests that measure how long somebody waits: each has the machine to itself.
TIMED := three_stuck_accounts a_million_rows ten_million_rows a_quota_of_60_000 a_million_scheduled

.PHONY: help demo build test soak fuzz schemathesis lint fmt bench docs clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: build ## send one message to a simulated WeChat and watch it arrive
	@$(BIN) demo

build: ## the program, optimised, at target/release/hongyan
	$(CARGO) build --release --locked -p hongyan-gateway

test: ## all tests but the long ones
	@scripts/peers.sh install || { test $$? = 77 && echo 'the tests of two WeChat SDKs are left out until then' >&2; }
	$(CARGO) test --workspace --locked --all-features

soak: ## the long tests: kill -9, cut connections, outages; half an hour; prints its seeds
	scripts/secret-stores.sh
	$(CARGO) test --workspace --locked --all-features --profile soak -- --ignored --nocapture --test-threads=4 $(TIMED:%=--skip %)
	$(CARGO) test --workspace --locked --all-features --profile soak --test soak -- --ignored --nocapture --test-threads=1 $(TIMED)

fuzz: ## every fuzz target on its seeds, each for FUZZ_SECONDS=60; needs a nightly toolchain
	scripts/fuzz.sh

schemathesis: ## the running program held against its own OpenAPI document; needs Python 3
	$(CARGO) build --locked -p hongyan-gateway
	scripts/schemathesis.sh

lint: ## formatting, clippy, documentation, licences and sources of dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --locked --all-targets --all-features -- -D warnings
	$(CARGO) clippy -p hongyan-gateway --locked --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --locked --no-deps --all-features
	scripts/deny.sh

fmt: ## format the code
	$(CARGO) fmt --all

bench: ## the load bench: floors, the gateway, one table (see docs/performance.md)
	$(CARGO) build --release --locked -p hongyan-gateway -p hongyan-bench
	target/release/hongyan-bench $(BENCH_ARGS)

docs: ## the documentation of the code, at target/doc
	$(CARGO) doc --workspace --locked --no-deps --all-features

clean: ## remove what was built
	$(CARGO) clean
