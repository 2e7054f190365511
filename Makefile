# make demo: install, run PSA on the built-in data set, show its table.  make test: install, run the tests.
# make test-slurm: PSA on a Slurm of its own, through profiles/slurm; needs root and Slurm's daemons, else it is skipped.
# make test-faults: kills, damage, full disks, load and bad inputs, at length (docs/reliability.md).
# make test-gridengine: the same on a Grid Engine, through profiles/generic.
# make results-guard ROOT=data/voc12-animals: a small run on photographs, whose scores may not have fallen (docs/results.md).
# make guard: whether the benchmarks' ratios are still those of benchmarks/recorded.json; needs pydensecrf.
# make docs: the pages of docs/ as a site, in site/; a link that leads nowhere is an error.
PYTHON ?= python3
ROOT ?= data/voc12-animals
BIN := .venv/bin
# a file's tests share what its fixtures made; the files that take longest begin, so that none of them ends alone
SIDE_BY_SIDE := -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder
LONGEST := tests/test_pipeline.py tests/test_own_photographs.py tests/test_preset_trainings.py tests/test_installed.py

.PHONY: demo test test-faults test-slurm test-gridengine guard results-guard docs lint

demo: .venv/installed
	PATH="$(CURDIR)/$(BIN):$$PATH" snakemake --cores 8 results/psa_val_miou.txt results/cue_scores.json results/psa_examples.png
	@$(BIN)/wsss report
	@echo
	@$(BIN)/wsss summary
	@echo
	@echo "Next: results/report.html shows the run on one page, results/psa_examples.png each step in pictures,"
	@echo "      config.yaml holds every number (change one, run make demo again), and"
	@echo "      .venv/bin/wsss inspect results/cams.h5 looks into a store."

test: .venv/installed
	-$(BIN)/pip install --quiet --editable '.[lattice]' # needs a compiler; its tests are skipped without
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(LONGEST) tests/training/ tests/test_*.py tests/*/

test-faults: .venv/installed
	$(BIN)/python -m pytest -m faults $(SIDE_BY_SIDE) tests/faults

test-slurm: .venv/installed
	$(BIN)/python -m pytest -m slurm tests/slurm

test-gridengine: .venv/installed
	$(BIN)/python -m pytest -m gridengine tests/gridengine

results-guard: .venv/installed
	PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONPATH=. $(BIN)/python benchmarks/results_guard.py --root "$(ROOT)"

guard: .venv/installed
	$(BIN)/pip install --quiet --editable '.[lattice]'
	PYTHONPATH=. $(BIN)/python benchmarks/guard.py

docs: .venv/installed
	$(BIN)/pip install --quiet --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict # not --quiet, which passes over warnings
	@echo "Next: $(BIN)/python -m http.server --directory site 8000, and open http://localhost:8000 in a browser."
	@echo "      (site/index.html opens by itself, too, but for the search.)"

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[weights,dev]'
	@touch $@
