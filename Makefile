# On a fresh Debian or Ubuntu machine, `make demo` and `make test` do all their set-up
# themselves: system libraries for Qt and OpenGL (through apt-get, when they are missing
# and you are root or have sudo), a virtual environment in .venv, and the tested versions
# of constraints.txt.  The second time there is nothing left to set up.
#
# On Linux, PyPI's torch carries CUDA (several GB).  For the small CPU build:
#     make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu

VENV ?= .venv
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
TORCH_INDEX ?=
BIN := $(VENV)/bin
DECLARED := setup.cfg pyproject.toml constraints.txt
XVFB := xvfb-run -a -s "-screen 0 1600x1200x24 +extension GLX"

.DEFAULT_GOAL := help
.PHONY: help demo test test-pictures test-window test-rest lint bench clean system

help: ## Say what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.user ## Register the sample pair and show the result in napari
	$(BIN)/napari-voxelmorph demo --out demo-output

# The pictures come first and in their own process, so that a crash of the software
# renderer is seen for what it is; then the window and the rest side by side.
test: $(VENV)/.developer test-pictures ## Run all tests
	$(MAKE) --no-print-directory -j2 test-window test-rest

test-window: $(VENV)/.developer
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest -m "not gl" tests/gui $(PYTEST_ARGS)

test-rest: $(VENV)/.developer
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest -m "not gl" --ignore=tests/gui $(PYTEST_ARGS)

test-pictures: $(VENV)/.developer # 5 is pytest's "nothing collected"
	@command -v xvfb-run >/dev/null || { echo "xvfb is missing: apt-get install xvfb xauth"; exit 1; }
	QT_QPA_PLATFORM=xcb $(XVFB) $(BIN)/python -m pytest -m gl $(PYTEST_ARGS) || [ $$? -eq 5 ]

lint: $(VENV)/.developer ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy napari_voxelmorph

bench: $(VENV)/.developer ## Compare with other registration programs on real scans (long)
	$(BIN)/python benchmarks/pairs.py

clean: ## Forget the environment and everything that was built
	rm -rf $(VENV) build dist demo-output *.egg-info .pytest_cache .mypy_cache .ruff_cache

system:
	@.ci/system-packages

$(VENV)/.torch: constraints.txt | system
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	@touch $@

$(VENV)/.user: $(VENV)/.torch $(DECLARED)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[pyqt6]"
	@touch $@

$(VENV)/.developer: $(VENV)/.user
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[pyqt6,testing]"
	@# An oracle for the folding measures; its own pins are old (numpy < 2), its code is not.
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-deps digital-diffeomorphism
	@# An oracle for FreeSurfer's files; it is compiled, and without a compiler its tests are skipped.
	-@$(BIN)/python -m pip install --quiet -c constraints.txt surfa
	@touch $@
