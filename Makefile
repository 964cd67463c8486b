# The commands a person types. `make` alone lists them.

# Tools that scripts/setup builds land here, outside the checkout.
tools := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/metricd/tools
export TOOLS_DIR := $(tools)
export PATH := $(tools)/bin:$(PATH)

# A machine may have the pinned Rust under the name `stable` alone.
toolchain := $(shell scripts/toolchain)
ifneq ($(toolchain),)
export RUSTUP_TOOLCHAIN := $(toolchain)
endif

.DEFAULT_GOAL := help
.PHONY: help run test steady accept check bench soak fuzz

help: ## List these commands
	@sed -n 's/^\([a-z]*\): ## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

run: ## Start metricd with the example catalog (ARGS="--listen 127.0.0.1:9000" to add flags)
	@scripts/setup run
	cargo run --release -- serve --demo $(ARGS)

test: ## Run every test: unit, property, documentation, acceptance
	@scripts/setup test
	@scripts/test

steady: ## Repeat the tests on a busy machine, for hours (ARGS="--times 5 --only timing": less)
	@scripts/setup test
	@scripts/steady $(ARGS)

accept: ## Accept the OpenAPI snapshot and write the settings reference anew; look at the difference
	@scripts/setup test
	INSTA_UPDATE=always UPDATE_DOCS=1 cargo nextest run --workspace -E 'test(/openapi::tests::/) + test(/config::reference::tests::/)'
	@git --no-pager diff --stat -- '*.snap' README.md docs/guide/settings.md

define measure
@scripts/setup bench
cargo build --release -p metricd # by itself: as it is built for use
cargo build --release -p metricd-bench
@$(or $(CARGO_TARGET_DIR),target)/release/metricd-bench
endef

bench: ## Measure metricd beside limits and a reference (ARGS="--quick" or ARGS="cached uncached")
	$(measure) $(ARGS)

soak: ## Keep metricd among honest and hostile callers for a quarter of an hour (ARGS="--quick": two minutes)
	$(measure) soak $(ARGS)

fuzz: ## Feed damaged and hostile SQL to the gate for a minute (ARGS="-max_total_time=600": ten)
	@rustup toolchain list | grep -q '^nightly' || \
		{ echo 'fuzz: please run: rustup toolchain install nightly' >&2; exit 1; }
	@command -v cargo-fuzz >/dev/null || { echo 'fuzz: please run: cargo install cargo-fuzz --locked' >&2; exit 1; }
	@mkdir -p fuzz/found
	RUSTUP_TOOLCHAIN=nightly cargo fuzz run gate fuzz/found fuzz/corpus/gate -- \
		-max_total_time=60 -max_len=4096 -timeout=20 $(ARGS)

check: ## Check format, lints, docs, dependencies, spelling, conventions, scripts
	@scripts/setup check
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy -p metricd --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
	cargo fetch --locked
	cargo deny --offline check --allow no-license-field bans licenses sources
	typos
	scripts/conventions
	shellcheck scripts/setup scripts/steady scripts/test scripts/toolchain .ci/run deploy/compose/prepare.sh $$(grep -rl '^#!.*bash' deploy/scripts)
