# make demo, make test: each sets up what it needs. PYTHON=python3.12 chooses another interpreter.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# Programs that tests talk to, and the Debian package of each; a test without its program is skipped.
PROGRAMS = nfdump:nfdump named:bind9 named-checkzone:bind9-utils unbound:unbound nft:nftables \
  dnsmasq:dnsmasq-base squid:squid nginx:nginx-light node:nodejs dnsperf:dnsperf wrk:wrk gpg:gnupg \
  openssl:openssl setfacl:acl

.PHONY: demo test lint types contracts tests bench lock docs clean setup dev system

demo: setup  ## a simulated day with ten botnets, the hunt, and a machine made clean and put back
	$(BIN)/sakimori demo

test: dev system lint types contracts tests  ## everything that must pass before a commit

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell src tests docs bench *.md

types:
	$(BIN)/mypy

contracts:
	$(BIN)/lint-imports --no-cache
	$(BIN)/deptry src

tests:
	OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile -q  # small matrices: threads only wait

bench: dev  ## accuracy, calibration, single detectors and speed, printed as tables
	$(BIN)/python bench/accuracy.py
	$(BIN)/python bench/calibrate.py
	$(BIN)/python bench/families.py
	$(BIN)/python bench/beacon.py
	$(BIN)/python bench/dga.py
	$(BIN)/python bench/synchrony.py
	$(BIN)/python bench/plan.py
	$(BIN)/python bench/map.py
	$(BIN)/python bench/blocks.py
	$(BIN)/python bench/size.py
	$(BIN)/python bench/effect.py
	$(BIN)/python bench/evidence.py
	$(BIN)/python bench/feeds.py
	$(BIN)/python bench/sinkhole.py
	$(BIN)/python bench/scan.py ../shared/data/exposure/yara/signature-base.tar.xz
	$(BIN)/python bench/unpack.py
	$(BIN)/python bench/quarantine.py
	$(BIN)/python bench/guard.py
	$(BIN)/python bench/hives.py ../shared/data/exposure/hives
	$(BIN)/python bench/snapshot.py
	$(BIN)/python bench/inventory.py
	$(BIN)/python bench/study.py
	$(BIN)/python bench/speed.py

docs: dev  ## write the generated reference pages again
	$(BIN)/python docs/make_reference.py

lock: dev  ## choose newest versions within pyproject.toml and write requirements.lock
	$(BIN)/uv pip compile pyproject.toml --group dev --generate-hashes --universal --quiet \
	  --no-emit-index-url --no-header --python-version 3.11 --output-file requirements.lock

setup: $(VENV)/.setup
dev: $(VENV)/.dev

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: Python 3.11 or newer is needed: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "make: python3-venv is missing: apt-get install python3-venv"; exit 1; }
	@touch $@

$(VENV)/.setup: $(VENV)/.made pyproject.toml requirements.lock
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml requirements.lock
	$(BIN)/pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	@touch $@ $(VENV)/.setup

# As root with apt-get, what is missing is installed; services of those packages are not started.
system:
	@missing=""; for pair in $(PROGRAMS); do \
	  PATH="$$PATH:/usr/sbin:/sbin" command -v $${pair%%:*} >/dev/null || missing="$$missing $${pair#*:}"; \
	done; \
	fc-list 2>/dev/null | grep -qi "noto sans cjk" || missing="$$missing fontconfig fonts-noto-cjk"; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  quiet=/usr/sbin/policy-rc.d; \
	  if [ -e $$quiet ]; then quiet=""; else printf '#!/bin/sh\nexit 101\n' >$$quiet; chmod +x $$quiet; fi; \
	  apt-get update -qq; \
	  for package in $$missing; do \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$package >/dev/null 2>&1 || \
	      echo "make: $$package cannot be installed: its tests are skipped"; \
	  done; \
	  [ -z "$$quiet" ] || rm -f $$quiet; \
	else \
	  echo "make: not installed (apt-get install$$missing): their tests are skipped"; \
	fi

clean:
	rm -rf $(VENV) demo .mypy_cache .ruff_cache .pytest_cache
