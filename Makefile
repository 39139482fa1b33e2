# make demo   the main job: raise the learners, look inside, write the report (runs/*/report.html)
# make test   all tests        make lint   style, types, import rules        make bench   measurements
# make docs   the documentation as pages (build/docs/index.html), every tutorial run
# make quick  style, import rules and fast tests of every room, in a minute   make processors   the numerical tests as
#             other processors would compute them
# Each works on its own on a fresh machine with Python 3.11 or newer: it makes .venv and installs under constraints.txt.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
TORCH  ?= torch
PIP    := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt

export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: demo test quick processors bench lint docs clean

demo: $(VENV)/.installed
	$(BIN)/imprint run

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder

# A rank, a tolerance or a zero must not depend on the order in which a processor's kernels add. tests/house/test_processors.py
# shows that the libraries heed these settings. Tests that count how many intervals hold the truth are left out: they are slow, and
# no rounding moves a count of hundreds. So are scikit-learn's checks of the interface.
NUMERICAL := $(addprefix tests/probes/,attributions causal fitting interventions readouts) \
	$(patsubst %,tests/conformance/test_%.py,readouts attributions interventions discovery) tests/analyses/test_statistics.py
# A few fast tests of every room.
QUICK := $(addprefix tests/,house/test_import_graph.py house/test_rules.py models/setup models/test_steering.py) \
	$(addprefix tests/probes/,fitting samples/test_controls.py) $(addprefix tests/analyses/,test_statistics.py locate/test_evidence.py) \
	$(patsubst %,tests/conformance/test_%.py,interventions questions sections) \
	$(addprefix tests/,reports/test_words.py reports/test_sections.py commands/test_text.py commands/test_catalogue.py)

quick: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	CHECK_TYPES=1 $(BIN)/python -m pytest --quiet --numprocesses=auto --dist=loadfile $(QUICK)

SETTINGS ?= $(wildcard tests/processors/*.env)

processors: $(VENV)/.installed-dev
	set -e; for settings in $(SETTINGS); do \
		echo "== the numerical tests under $$settings"; \
		env CHECK_TYPES=1 $$(cat $$settings) $(BIN)/python -m pytest --quiet --numprocesses=auto --dist=loadfile -k "not hold_the_truth and not accepts_it" $(NUMERICAL); \
	done

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed
	$(PIP) --editable ".[docs]"
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs

bench: $(VENV)/.installed-dev
	set -e; for name in $$(grep -l __main__ benchmarks/*.py | xargs -n1 basename -s .py); do \
		echo "== benchmarks/$$name.py"; $(BIN)/python -m "benchmarks.$$name"; \
	done

# torch comes first and alone: what the other requirements then find installed, they leave as it is. TORCH may name a build
# without CUDA: TORCH="torch --extra-index-url ADDRESS".
$(VENV)/.torch: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "imprint needs Python 3.11 or newer; say which with: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) $(TORCH)
	touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml
	$(PIP) --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.torch pyproject.toml
	$(PIP) --editable '.[dev]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
