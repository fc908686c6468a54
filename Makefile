# Set-up happens by itself, once: a target that needs it depends on the stamp below.
PYTHON ?= python3
EDITION ?= $(shell cat editions/default.txt)
AREA ?= hovedstaden
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help report test test-long lab check benchmark lock clean

help:
	@echo "make report [EDITION=$(EDITION)] [AREA=hovedstaden]   raw figures -> reports/<edition>/<area>/index.html"
	@echo "make check                                      key figures against the printed report"
	@echo "make test                                       the tests, in about 6 minutes"
	@echo "make test-long                                  the other tests: whole reports, many examples, engines, a cluster"
	@echo "make lab                                        JupyterLab with the project's kernel"
	@echo "make benchmark                                  time whole reports and a full-size build (idle machine)"
	@echo "make lock                                       resolve requirements.lock again (needs the network)"
	@echo "make clean                                      remove the environment and everything generated"

report: $(STAMP)
	$(BIN)/noegletal report --edition $(EDITION) --area $(AREA)

check: $(STAMP)
	$(BIN)/noegletal check --edition $(EDITION)

test: $(STAMP)
	@echo "This takes about 6 minutes on two cores. The other tests: make test-long"
	$(BIN)/python -m pytest -m "not long" --hypothesis-profile few

test-long: $(STAMP)
	@echo "This takes about 20 minutes on two cores."
	$(BIN)/python -m pytest -m "long or thorough"

lab: $(STAMP)
	$(BIN)/jupyter lab .

# uv comes out of the lock file too, by its hash. Bytecode is compiled here because some machines switch off the
# writing of it, and then every start would compile anew.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Set PYTHON=python3.11 or so.")'
	$(PYTHON) -m venv $(VENV)
	awk '/^uv==/ {found = 1} found {print} found && !/\\$$/ {exit}' requirements.lock > $(VENV)/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(VENV)/uv.txt
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q src
	$(BIN)/python -m ipykernel install --sys-prefix --name python3 --display-name "Nøgletal (Python 3)" > /dev/null
	@touch $(STAMP)

benchmark: $(STAMP)
	$(BIN)/python benchmarks

lock: $(STAMP)
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --generate-hashes --no-header --quiet -o requirements.lock

clean:
	rm -rf $(VENV) reports data/processed/2* .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
