# Builds, checks, installs and measures this repository. `make help` lists what can be asked for.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
CARGO ?= cargo
# Passed on to the program that a target runs, as in: make bench ARGS=--quick
ARGS ?=

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Install what is missing, build, and run every check on a private PostgreSQL (or on DATABASE_URL)
	@scripts/install-packages.sh demo
	@echo 'holdfast: building (a minute or two the first time)'
	@$(CARGO) build --release --package holdfast-cli --bin holdfast
	@$(CARGO) run --quiet --release --package holdfast-cli --bin holdfast -- verify $(ARGS)

# What a change needs before it is looked at. Nothing is installed, no server is started.
.PHONY: check
check: ## Check format, lints and the unit tests that need no server: under a minute when little changed
	@scripts/steps.sh check format clippy unit

.PHONY: test
test: deps ## Install what is missing, then check everything but what `make thorough` does; ARGS are for `cargo test`
	@scripts/steps.sh test format clippy doc rust-tests$(if $(ARGS),,+node)

# Each is slow for its kind, and finds little that `make test` does not: continuous integration runs it after that.
.PHONY: thorough
thorough: deps ## Run the sanitizers, valgrind, the fuzzers' inputs, processes behind a pooler, the default build, other versions of Node, Node's hosts and exits, other versions of PostgreSQL
	@scripts/steps.sh thorough clippy-default fuzz-replay sanitize node-versions node-hosts node-exits pooler-rate matrix-brief

.PHONY: deps
deps: ## Install what is missing for building, testing and benchmarks
	@scripts/install-packages.sh test

.PHONY: format
format:
	$(CARGO) fmt --all --check
	$(CARGO) fmt --check --manifest-path fuzz/Cargo.toml
	$(CARGO) update --quiet --workspace --locked --manifest-path fuzz/Cargo.toml
	@if command -v shellcheck >/dev/null; then shellcheck scripts/*.sh .ci/run; fi

.PHONY: clippy
clippy:
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings

# The library as most programs compile it, and the program with what its own package asks for. Their dependencies are built once
# more, with fewer features.
.PHONY: clippy-default
clippy-default:
	$(CARGO) clippy --lib -- -D warnings
	$(CARGO) clippy --package holdfast-cli -- -D warnings

.PHONY: doc
doc:
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --all-features

# The packages' unit tests but those that start a server, and the checks of the arrangement of sources and manifests.
.PHONY: unit
unit:
	$(CARGO) test --workspace --all-features --no-fail-fast --lib --test house --test readme --test dependencies -- --skip queue::tests::server --skip a_panic_while_a_role_is_in_doubt_loses_nothing

# Most tests wait, for a server or for a limit that is to pass: more of them at once than there are processors.
TEST_THREADS ?= $(or $(RUST_TEST_THREADS),$(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN)))))
# A test program that hangs is ended after ten minutes, so that those behind it have their turn. In the foreground it stays in the
# group of processes that a signal to the whole run reaches.
ifneq ($(shell command -v timeout),)
BOUNDED := --config 'target."cfg(all())".runner=["timeout","--foreground","--signal=ABRT","600"]'
endif

.PHONY: rust-tests
rust-tests:
	RUST_TEST_THREADS=$(TEST_THREADS) $(CARGO) $(BOUNDED) test --workspace --all-features --no-fail-fast $(ARGS)

# Tests need a library that is built soon, and the tests in C have built this one; whoever installs the package gets the fast one.
.PHONY: node
node: ## Build the Node package and run its tests (part of `make test`)
	@$(MAKE) --no-print-directory lib LIB_PROFILE=dev LIB_FEATURES=--all-features
	cd bindings/node && HOLDFAST_LIB_DIR='$(abspath $(TARGET))/c' npm ci --no-audit --no-fund
	$(if $(wildcard $(TARGET)/debug/holdfast-testkit),,$(CARGO) build --quiet --package pg-holdfast-testkit --bin holdfast-testkit)
	cd examples/node && npm install --ignore-scripts --no-package-lock --no-audit --no-fund
	cd bindings/node && npm test

# Versions of Node beside the installed one, as scripts/test-versions.js takes them; none if it is empty. npm has them.
NODE_VERSIONS ?= 18 22:conformance 24

.PHONY: node-versions
node-versions: ## Run the Node package's tests with other versions of Node (part of `make thorough`)
	$(if $(wildcard bindings/node/build/holdfast.node),,@$(MAKE) --no-print-directory node)
	cd bindings/node && $(if $(NODE_VERSIONS),node scripts/test-versions.js $(NODE_VERSIONS),true)

.PHONY: node-hosts
node-hosts: example-next ## Run programs in Next.js, bundlers and test runners with `pg` and the Node package (part of `make thorough`)
	cd bindings/node && npm run test:hosts

.PHONY: node-exits
node-exits: ## Have 1,000 processes of Node exit amid TLS traffic (part of `make thorough`)
	$(if $(wildcard bindings/node/build/holdfast.node),,@$(MAKE) --no-print-directory node)
	cd bindings/node && HOLDFAST_EXITS=1000 node --test test/behaviour/access/exits.test.js

.PHONY: example-next
example-next:
	$(if $(wildcard bindings/node/build/holdfast.node),,cd bindings/node && npm ci --no-audit --no-fund)
	cd examples/next && npm install --ignore-scripts --no-package-lock --no-audit --no-fund

.PHONY: crowd
crowd: example-next ## Show four processes of a Next.js application on 16 slots, with `pg` and with the Node package; ARGS are the seconds
	cd examples/next && npm run crowd -- $(ARGS)

.PHONY: sanitize
sanitize: ## Run the C programs of the tests under sanitizers that see into the library, and valgrind (part of `make thorough`)
	$(CARGO) test --workspace --all-features --test sanitize
	$(if $(filter 0,$(CARGO_INCREMENTAL)),rm -rf '$(TARGET)/sanitize')

.PHONY: pooler-rate
pooler-rate: ## Have processes in Rust, C and Node ask behind a transaction pooler for 20 s each (part of `make thorough`)
	$(if $(wildcard bindings/node/build/holdfast.node),,@$(MAKE) --no-print-directory node)
	HOLDFAST_POOLER_SECONDS=20 $(CARGO) test --workspace --all-features --test c_abi poolers
	cd bindings/node && HOLDFAST_POOLER_SECONDS=20 node --test test/behaviour/pool/transaction-pooler.test.js

.PHONY: fuzz-replay
fuzz-replay: ## Run what fuzzers run over the inputs kept in fuzz/ and changes of them, a minute each (part of `make thorough`)
	HOLDFAST_FUZZ_SECONDS=60 $(CARGO) test --workspace --all-features --test fuzzing

# Not part of `make thorough`, which runs the same over what is in `fuzz/`.
.PHONY: fuzz
fuzz: ## Fuzz what a server may say and what C may give, each of seven targets for FUZZ_SECONDS (90); ARGS chooses some
	scripts/fuzz.sh $(ARGS)

# Servers come from npm and are kept below the target folder; VERSIONS chooses some.
# Some four minutes, and as many for the first build.
.PHONY: fuzz-bounds
fuzz-bounds: ## Break bounds of the library one by one in a copy, and show that the fuzzers' drivers find each; ARGS chooses some
	scripts/fuzz-bounds.py $(ARGS)

.PHONY: matrix
matrix: ## Run the tests on PostgreSQL 13 to 18, and print a table of servers and scenes
	scripts/matrix.sh $(VERSIONS)

# The oldest and the newest in full, those between with the tests of statements and transactions.
.PHONY: matrix-brief
matrix-brief: ## Run the tests on PostgreSQL 13 and 18, and a part of them on 14, 16 and 17 (part of `make thorough`)
	MATRIX_AGAIN=1 MATRIX_BRIEF='14 16 17' scripts/matrix.sh 13 14 16 17 18

.PHONY: platforms
platforms: ## Check that the crate builds for each platform, and with the oldest Rust; what cannot be checked here is named
	scripts/platforms.sh $(ARGS)

.PHONY: bench
bench: deps lib ## Measure, against other pools in the same run; ARGS are passed on
	$(CARGO) bench --bench holdfast -- $(ARGS)

# The C library. Each kind is built in a pass of its own: beside others cargo gives up optimizing across crates.
TARGET ?= $(or $(CARGO_TARGET_DIR),target)
# Absolute, as tests give it: the path is among the compiler's arguments below, and the library would be built twice.
override TARGET := $(abspath $(TARGET))
LIB_PROFILE ?= lib
LIB_FEATURES ?= --features capi
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
VERSION := $(shell sed -nE '/^\[package\]/,/^\[lib\]/s/^version = "(.*)"/\1/p' Cargo.toml)
# What programs link against: 0.y before 1.0, then the major version.
SOVERSION := $(shell sed -E 's/^(0\.[0-9]+|[1-9][0-9]*)\..*/\1/' <<<'$(VERSION)')
LIB_BUILT = $(TARGET)/$(if $(filter dev,$(LIB_PROFILE)),debug,$(LIB_PROFILE))
LIB_RUSTC = $(CARGO) rustc --quiet --target-dir $(TARGET) --profile $(LIB_PROFILE) $(LIB_FEATURES) --lib
# It stays in a process that unloads it: its threads run on, and pools that others opened.
LIB_SHARED = -C link-arg=-Wl,-soname,libholdfast.so.$(SOVERSION) -C link-arg=-Wl,-z,nodelete
LIB_NATIVE = --print native-static-libs=$(LIB_BUILT)/native-static-libs

# Beside the static library, what it needs from the system: a test compares that with what is installed. For tests both kinds are
# built in one pass, since nothing is optimized, and with full debug information, which the ABI is read from.
# On macOS only what the Node package needs is built, the static library.
.PHONY: lib
lib: ## Build the C library, shared and static, into target/c
ifeq ($(shell uname -s),Darwin)
	$(LIB_RUSTC) --crate-type staticlib -- $(LIB_NATIVE)
	@mkdir -p $(TARGET)/c
	@cp -f $(LIB_BUILT)/libholdfast.a $(TARGET)/c/libholdfast.a
else
ifeq ($(LIB_PROFILE),dev)
	$(LIB_RUSTC) --crate-type cdylib,staticlib -- $(LIB_SHARED) $(LIB_NATIVE) -C debuginfo=full
else
	$(LIB_RUSTC) --crate-type cdylib -- $(LIB_SHARED)
	$(LIB_RUSTC) --crate-type staticlib -- $(LIB_NATIVE)
endif
	@mkdir -p $(TARGET)/c
	@cp --remove-destination $(LIB_BUILT)/libholdfast.so $(TARGET)/c/libholdfast.so.$(VERSION)
	@cp --remove-destination $(LIB_BUILT)/libholdfast.a $(TARGET)/c/libholdfast.a
	@ln -sf libholdfast.so.$(VERSION) $(TARGET)/c/libholdfast.so.$(SOVERSION)
	@ln -sf libholdfast.so.$(SOVERSION) $(TARGET)/c/libholdfast.so
endif

# What there is to install, below DESTDIR. The wrapper for C++ is a header and the folders of its parts.
LIB_CPP = bindings/cpp
# Deeper ones first: `uninstall` removes them in this order.
LIB_CPP_DIRS = $(patsubst $(LIB_CPP)/%/,%,$(wildcard $(LIB_CPP)/holdfast/*/*/) $(wildcard $(LIB_CPP)/holdfast/*/))
LIB_HEADERS = holdfast.h holdfast.ffi.h holdfast.json holdfast.hpp $(patsubst $(LIB_CPP)/%,%,$(wildcard $(LIB_CPP_DIRS:%=$(LIB_CPP)/%/*.hpp)))
LIB_CMAKE = $(LIBDIR)/cmake/holdfast
LIB_INSTALLED = $(addprefix $(INCLUDEDIR)/,$(LIB_HEADERS)) \
	$(addprefix $(LIBDIR)/,libholdfast.a libholdfast.so libholdfast.so.$(SOVERSION) libholdfast.so.$(VERSION)) \
	$(LIBDIR)/pkgconfig/holdfast.pc \
	$(LIB_CMAKE)/holdfast-config.cmake $(LIB_CMAKE)/holdfast-config-version.cmake
# Below the prefix paths are relative to it, so that pkg-config can follow a tree that was moved.
LIB_FILL = sed -e 's|@PREFIX@|$(PREFIX)|' \
	-e 's|@LIBDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR))|' \
	-e 's|@INCLUDEDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(INCLUDEDIR))|' \
	-e "s|@INCLUDE_FROM_LIB@|$$(realpath -m --relative-to='$(LIBDIR)' '$(INCLUDEDIR)')|" \
	-e "s|@POINTER_BYTES@|$$(($$(getconf LONG_BIT) / 8))|" \
	-e 's|@VERSION@|$(VERSION)|g' -e 's|@SOVERSION@|$(SOVERSION)|g'

.PHONY: install
install: lib ## Install the C library, headers, pkg-config and CMake files; PREFIX, LIBDIR, INCLUDEDIR and DESTDIR say where
	@install -d '$(DESTDIR)$(LIBDIR)/pkgconfig' '$(DESTDIR)$(LIB_CMAKE)' $(foreach dir,$(LIB_CPP_DIRS),'$(DESTDIR)$(INCLUDEDIR)/$(dir)')
	install -m 755 $(TARGET)/c/libholdfast.so.$(VERSION) '$(DESTDIR)$(LIBDIR)'
	install -m 644 $(TARGET)/c/libholdfast.a '$(DESTDIR)$(LIBDIR)'
	@ln -sf libholdfast.so.$(VERSION) '$(DESTDIR)$(LIBDIR)/libholdfast.so.$(SOVERSION)'
	@ln -sf libholdfast.so.$(VERSION) '$(DESTDIR)$(LIBDIR)/libholdfast.so'
	install -m 644 include/holdfast.h include/holdfast.ffi.h include/holdfast.json $(LIB_CPP)/holdfast.hpp '$(DESTDIR)$(INCLUDEDIR)'
	@$(foreach dir,$(LIB_CPP_DIRS),install -m 644 $(LIB_CPP)/$(dir)/*.hpp '$(DESTDIR)$(INCLUDEDIR)/$(dir)';)
	@$(LIB_FILL) packaging/holdfast.pc.in >'$(DESTDIR)$(LIBDIR)/pkgconfig/holdfast.pc'
	@$(LIB_FILL) packaging/holdfast-config.cmake.in >'$(DESTDIR)$(LIB_CMAKE)/holdfast-config.cmake'
	@$(LIB_FILL) packaging/holdfast-config-version.cmake.in >'$(DESTDIR)$(LIB_CMAKE)/holdfast-config-version.cmake'

.PHONY: uninstall
uninstall: ## Remove what `make install` of the same version and the same variables put there
	rm -f $(foreach file,$(LIB_INSTALLED),'$(DESTDIR)$(file)')
	@rmdir '$(DESTDIR)$(LIB_CMAKE)' $(foreach dir,$(LIB_CPP_DIRS) holdfast,'$(DESTDIR)$(INCLUDEDIR)/$(dir)') 2>/dev/null || true

.PHONY: cinstall-check
cinstall-check: ## Check that `cargo cinstall` (cargo-c) installs what `make install` does
	scripts/check-cargo-c.sh

.PHONY: release-check
release-check: ## Go through the steps of a release that need no account, and say what each proved (RELEASE.md)
	@scripts/release-check.sh $(ARGS)

# `replace` writes down what breaks programs as well: docs/abi.md says when that is allowed.
ABI_UPDATE ?= additions

.PHONY: abi
abi: ## Write down anew, in abi/, which functions and types the C library has
	HOLDFAST_UPDATE_ABI=$(ABI_UPDATE) $(CARGO) test --quiet --workspace --all-features --test c_abi -- written_down committed_list

.PHONY: readme
readme: ## Write the options reference in docs/configuration.md anew
	HOLDFAST_WRITE_README=1 $(CARGO) test --quiet --test readme

# The dashboard as its test sees it in a browser, and the demonstration as a terminal shows it.
.PHONY: pictures
pictures: ## Make the pictures in docs/ anew (needs Chromium and python3; installs pyte and rich from PyPI into target/)
	$(CARGO) build --release --package holdfast-cli --bin holdfast
	$(CARGO) test --quiet --workspace --all-features --test dashboard the_page_shows_the_pool_live
	cp $(TARGET)/screenshots/light.png docs/dashboard-light.png
	cp $(TARGET)/screenshots/dark.png docs/dashboard-dark.png
	python3 scripts/demo-picture.py $(TARGET)/release/holdfast

# mdBook is not a dependency of the checks: the links are checked by a test, which knows the files outside docs/ as well.
.PHONY: docs
docs: doc ## Check the links of all documents, and build the book (target/book) where mdBook is installed
	$(CARGO) test --quiet --workspace --all-features --test readme
	@if command -v mdbook >/dev/null; then python3 scripts/book.py; \
		else echo 'mdBook is not installed, so the book is not built: cargo install mdbook'; fi
