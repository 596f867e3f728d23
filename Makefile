# Thin front door to CMake, CTest and tools/. `make help` lists what there is.
JOBS   ?= $(shell nproc)
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 20
SOURCES = $(shell find src include tests fuzz bench -name '*.[ch]')

.PHONY: build demo test test-trixie tsan check bench fuzz clauses format install clean help
.DEFAULT_GOAL := build

build: ## build/gatehouse and build/libgatehouse.{a,so}
	@tools/setup.sh build
	@test -f build/CMakeCache.txt || cmake -S . -B build -DGH_TESTS=OFF -DGH_BENCH=OFF
	@cmake --build build -j $(JOBS)

demo: build ## build, then the whole story on loopback, narrated
	@build/gatehouse demo

test: ## every test and check; ends with "N passed, M failed"
	@tools/setup.sh test
	@python3 tools/run_tests.py --jobs $(JOBS) --fuzz-seconds $(FUZZ_SECONDS)

test-trixie: ## the tests on Debian 13 with OpenSSL 3.5, in a root made with debootstrap; not part of test
	@JOBS=$(JOBS) tools/test_trixie.sh

tsan: ## races, with ThreadSanitizer: unit tests and stories; a step of test, too
	@tools/setup.sh test
	@python3 tools/run_tests.py --only tsan --jobs $(JOBS)

check: ## quick loop: build, unit tests, layers, layout
	@tools/setup.sh test
	@python3 tools/run_tests.py --quick --jobs $(JOBS)

bench: ## ratios against nginx, OpenSSL, libcoap and SQLite on this machine
	@tools/setup.sh bench
	@cmake -S . -B build -DGH_BENCH=ON -DGH_TESTS=OFF >/dev/null
	@cmake --build build -j $(JOBS)
	@python3 bench/run.py build

fuzz: ## every fuzz target for FUZZ_SECONDS (default 20)
	@tools/setup.sh test
	@python3 tools/run_tests.py --only fuzz --jobs $(JOBS) --fuzz-seconds $(FUZZ_SECONDS)

clauses: ## table clause -> code -> test, and what lacks either
	@python3 tools/clauses.py

format: ## lays out all C files
	@clang-format -i $(SOURCES)

install: build ## into PREFIX (default /usr/local), DESTDIR is honoured
	@cmake --install build --prefix $(PREFIX)

clean: ## removes every build directory
	@rm -rf build build-asan build-fuzz build-tsan

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12
