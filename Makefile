# On a fresh Debian or Ubuntu `make demo`, `make test` and `make bench` need python3, make, and root or sudo. What is
# missing is installed by tests/rig/bootstrap.sh, which says so first.

PYTHON = .venv/bin/python
BOOTSTRAP = sh tests/rig/bootstrap.sh

.NOTPARALLEL:
.PHONY: help demo test lint unit integration zoo bench clean

help:
	@echo "make demo         a model from the laptop to a VM, and back, on real parts"
	@echo "make test         lint, unit and integration"
	@echo "make lint         ruff and mypy"
	@echo "make unit         the fast tests"
	@echo "make integration  the tests on a real registry and VM"
	@echo "make zoo          every model of the zoo, on rows that its proof has not seen; prints the table"
	@echo "make bench        ours beside other ways to serve the same models; writes docs/performance.md and README.md"
	@echo "make clean        remove all that the others made"

demo:
	@$(BOOTSTRAP) rig
	$(PYTHON) -m examples.penguins.demo

test: lint unit integration

lint:
	@$(BOOTSTRAP) python
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy

unit:
	@$(BOOTSTRAP) python
	$(PYTHON) -m pytest tests/unit tests/zoo

integration:
	@$(BOOTSTRAP) rig
	$(PYTHON) -m pytest tests/integration

zoo:
	@$(BOOTSTRAP) python
	$(PYTHON) -m tests.zoo

bench:
	@$(BOOTSTRAP) bench
	$(PYTHON) -m bench.peers --write

clean:
	@if [ -d .rig ]; then $(BOOTSTRAP) rig && $(PYTHON) -m tests.rig down --images; fi
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find examples -name build -type d -prune -exec rm -rf {} +
	find examples -name '*.joblib' -delete
	@echo "Packages that apt-get installed stay."
