# `make help` lists the targets. What they need is installed by .ci/setup, as root on Debian, Ubuntu
# and Fedora; elsewhere it says what to install.

# Always the whole workspace: with another selection, cargo chooses other features for what it
# depends on, and builds wasmtime once more.
CARGO ?= cargo
# The sensor alone: each program more is linked, and optimised as a whole, for a minute or two.
RELEASE := $(CARGO) build --release --locked --workspace --bin ocellus
RULES := rules/dist
SAMPLE := examples/sample.ocellus
OCELLUS := target/release/ocellus

.DEFAULT_GOAL := help
.PHONY: run demo-fleet build test test-kernels test-arm64 bench soak bench-kernel bench-rules sim \
	fuzz rules golden examples schema metrics man deb rpm tarball clean help

run: build ## Watch this host's processes through the shipped rules; replay a sample where no backend can run
	@if $(OCELLUS) doctor >/dev/null 2>&1; then \
		echo "Watching this host. Ctrl-C ends it."; \
		exec $(OCELLUS) run --rules $(RULES) --format pretty; \
	else \
		echo "No backend can run here ($(OCELLUS) doctor says why; most often it needs root)."; \
		echo "Replaying $(SAMPLE) instead."; \
		exec $(OCELLUS) replay $(SAMPLE) --rules $(RULES) --format pretty; \
	fi

demo-fleet: ## Show a fleet as root: nats-server, two sensors, a rule published once, alerts of both
	@.ci/setup test
	$(RELEASE) --bin ocellus-demo-fleet
	target/release/ocellus-demo-fleet

build: ## Build the sensor, optimised, as target/release/ocellus
	@.ci/setup
	$(RELEASE)

test: ## Run every check and test, as .ci/run does; as root, also those on the running kernel
	@bash .ci/run

test-kernels: ## Run the sensor on many kernels, in virtual machines: make test-kernels KERNEL='5.10 6.1'
	@.ci/setup kernels
	$(CARGO) build --locked --workspace --bins
	CARGO='$(CARGO)' target/debug/ocellus-kernels test $(KERNEL)

test-arm64: ## Build for arm64, and run the sensor on a kernel of it: make test-arm64 KERNEL=6.1
	@.ci/setup kernels
	@.ci/setup arm64
	$(CARGO) build --locked --workspace --bins
	target/debug/ocellus-kernels --arm64 test --short $(or $(KERNEL),6.1)

bench: ## Measure the core by stage, and the sensor under load
	@.ci/setup
	$(RELEASE) --bin ocellus-bench
	target/release/ocellus-bench

bench-rules: ## Measure rules: each world, with and without interests, and the latency of swaps
	@.ci/setup
	$(RELEASE) --bin ocellus-bench-rules
	target/release/ocellus-bench-rules

soak: ## Run the sensor for an hour with storms; what it holds must not grow: make soak MINUTES=60
	@.ci/setup
	$(RELEASE) --bin ocellus-bench
	target/release/ocellus-bench soak $(MINUTES)

bench-kernel: ## Measure in a virtual machine, by instructions: make bench-kernel [ONLY=ebpf] [OTHER='/path/of/another arguments']
	@.ci/setup kernels
	$(RELEASE) --bin ocellus-kernels
	CARGO='$(CARGO)' ONLY='$(ONLY)' OTHER='$(OTHER)' target/release/ocellus-kernels bench $(KERNEL)

sim: ## Run more of the simulation: make sim SEED=1 RUNS=10000
	$(CARGO) build --locked --workspace --bins
	SEED=$(or $(SEED),1) RUNS=$(or $(RUNS),10000) $(CARGO) test --locked --workspace --test sim

# libFuzzer's flags: a minute, one worker, inputs as long as the largest record of ours.
FUZZ_FLAGS ?= -max_len=65536 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1
fuzz: ## Fuzz the machine: make fuzz TARGET=records SECONDS=60, or TARGET=recordings
	$(CARGO) build --locked --workspace --examples
	target/debug/examples/fuzz_seeds $(or $(TARGET),records) target/fuzz/seeds/$(or $(TARGET),records)
	@mkdir -p target/fuzz/corpus/$(or $(TARGET),records) target/fuzz/crashes
	cd tests/fuzz && RUSTC_WRAPPER=$$PWD/rustc.sh CARGO_TARGET_DIR=../../target/fuzz \
		$(CARGO) build --locked --bin $(or $(TARGET),records)
	target/fuzz/debug/$(or $(TARGET),records) -max_total_time=$(or $(SECONDS),60) $(FUZZ_FLAGS) \
		-artifact_prefix=target/fuzz/crashes/ target/fuzz/corpus/$(or $(TARGET),records) \
		target/fuzz/seeds/$(or $(TARGET),records) tests/fuzz/corpus/$(or $(TARGET),records)

rules: ## Rebuild the shipped components whose sources have changed, in rules/dist and examples/dist
	@.ci/setup
	$(CARGO) build --locked --workspace --examples
	target/debug/examples/build_guests

golden: ## Rebuild the golden components in every language; they must say the same as before
	$(CARGO) build --locked --workspace --examples
	target/debug/examples/build_golden

examples: ## Build the example rule in each language, into target/examples
	@.ci/setup
	@mkdir -p target/examples
	$(CARGO) build --locked --workspace --bins
	@for rule in examples/rule-*; do \
		target/debug/ocellus rules build $$rule -o target/examples/$${rule##*/}.wasm || exit 1; \
	done

schema: ## Write docs/schema.md, docs/index-template.json and the fields of the SDKs anew, from wit/fields.toml
	$(CARGO) build --quiet --locked --workspace --bins
	target/debug/ocellus schema > target/schema.md
	@mv target/schema.md docs/schema.md
	target/debug/ocellus schema --index-template > target/index-template.json
	@mv target/index-template.json docs/index-template.json
	UPDATE=1 $(CARGO) test --quiet --locked --workspace --test sdks

metrics: ## Write docs/metrics.md and docs/config.schema.json anew, from the sensor's own tables
	$(CARGO) build --quiet --locked --workspace --bins
	target/debug/ocellus metrics-page > target/metrics.md
	target/debug/ocellus config schema > target/config.schema.json
	@mv target/metrics.md target/config.schema.json docs/

deb: build ## Make a Debian package, in target/packages
	sensor/packaging/package.sh $@ $(OCELLUS) target/packages

rpm: build ## Make an RPM package, in target/packages
	sensor/packaging/package.sh $@ $(OCELLUS) target/packages

tarball: build ## Make a tarball to unpack in /, in target/packages
	sensor/packaging/package.sh $@ $(OCELLUS) target/packages

man: ## Write the manual page, target/ocellus.1, and check it where mandoc is
	$(CARGO) build --quiet --locked --workspace --bins
	target/debug/ocellus man > target/ocellus.1
	@if command -v mandoc >/dev/null; then mandoc -T lint -W warning target/ocellus.1; fi

clean: ## Remove what was built
	$(CARGO) clean
	rm -rf rules/target examples/*/target

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' Makefile | while IFS='	' read -r target what; do \
		printf '  make %-13s %s\n' "$$target" "$$what"; done
