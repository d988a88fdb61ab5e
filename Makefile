# Every way to build, try, prove and ship Blotter. The work is in scripts/; `make` alone prints this list.
# What `make install` takes: PREFIX=/usr/local, and DESTDIR= for packages.

.PHONY: help setup demo test lint fmt docs bench soak prove mutants shots install uninstall

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup: ## Find what the machine lacks and install just that
	@scripts/setup

demo: ## Build and open Blotter on a private database; q ends all of it
	@scripts/demo

test: ## Everything that proves the tree: format, lints, docs, all tests, dependency rules
	@scripts/test

lint: ## The part of `make test` that needs no test run
	@scripts/test --lint

fmt: ## Format the code
	@cargo fmt --all

docs: ## The crates' own documentation, into target/doc
	@RUSTDOCFLAGS="-A rustdoc::private-intra-doc-links" cargo doc --workspace --no-deps --document-private-items

bench: ## Every figure against its goal, into target/bench.json
	@scripts/bench

soak: ## The proofs that take hours, whole: random keys, races, deaths at every step, with the waits of real life
	@scripts/soak

prove: ## Many seeds of trading days against the engine; SEEDS=100000 FROM=3000 for a long proof
	@cargo run --release --locked --quiet -p blotter-prove -- --seeds $(or $(SEEDS),10000) --from $(or $(FROM),0)

mutants: ## Take the engine's rules away one by one: the proof must notice
	@cargo run --release --locked --quiet -p blotter-prove -- --mutants

shots: ## Draw the pictures of docs/screens: the client's own drawing of a made-up afternoon
	@scripts/shots

install: ## Programs, units, man pages and completions under PREFIX
	@scripts/install install

uninstall: ## Take away what `make install` put there
	@scripts/install uninstall
