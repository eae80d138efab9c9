# Everything runs through uv, which tools/uv brings where it is missing; the lab
# (tools/stargate_lab) brings the Kubernetes binaries.

UV := tools/uv
RUN := $(UV) run --locked --all-extras
PYTHON := $(RUN) python
export PYTHONPATH := $(CURDIR)/tools
# Each test that starts a process would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE
TYPED := $(wildcard operator tools images/trainer tests bench charts/*/files/*.py)

.DEFAULT_GOAL := help
.PHONY: help demo test simulate mutants trainer-check lint format manifests images kind kind-down e2e recovery bench up down

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## The article's job on a simulated fleet, through a failure (NODES=200 is quick, KEEP=1 stays)
	$(PYTHON) -m stargate_lab demo

test: ## All tests, against real control planes, side by side
	$(RUN) pytest -n auto --durations 25 --durations-min 5 $(ARGS)

trainer-check: ## The reference trainer itself, interrupted and resumed (needs a Python with torch: TRAINER_PYTHON)
	$(RUN) pytest tests/trainer $(ARGS)

lint: ## Style, types and layers
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy $(TYPED)
	$(RUN) lint-imports

format: ## Rewrite the code in the project's style
	$(RUN) ruff check --fix
	$(RUN) ruff format

manifests: ## Write what is generated: crds/, the version, the chart's values and dashboard, docs/metrics.md, docs/job.md, docs/recovery.md
	$(UV) lock --quiet
	$(PYTHON) -m stargate_types.crd crds/
	$(PYTHON) -m stargate_release write
	PYTHONPATH=operator:tools $(PYTHON) -m stargate_generate.chart_reference
	$(PYTHON) -m stargate_generate.dashboard
	$(PYTHON) -m stargate_generate.metrics_page
	$(PYTHON) -m stargate_generate.job_page
	PYTHONPATH=operator:tools $(PYTHON) -m stargate_generate.causes_table

images: ## Build the container images (needs Docker)
	$(PYTHON) -m stargate_lab images

kind: ## The operator on real kubelets, installed by Helm, and a small job that trains (needs Docker)
	$(PYTHON) -m stargate_lab kind

kind-down: ## End it
	$(PYTHON) -m stargate_lab kind-down

e2e: images ## Real containers on kind, through every failure (needs Docker)
	$(RUN) pytest tests/e2e --timeout 600 $(ARGS)

recovery: ## Write what the last `make e2e` measured into docs/recovery.md
	$(PYTHON) -m tests.e2e.recovery

simulate: ## The operator in simulated clusters, through faults (SEEDS=1000; SEED=n tells the story of one)
	PYTHONPATH=operator:tools:. $(PYTHON) -m tests.simulation $(if $(SEED),--seed $(SEED)) $(if $(SEEDS),--seeds $(SEEDS)) $(ARGS)

mutants: ## Show that the simulation finds faults put into the operator (NAME=one of tests/simulation/mutants)
	PYTHONPATH=operator:tools:. $(PYTHON) -m tests.simulation.mutation $(NAME) $(ARGS)

bench: ## Measure against the floor and an Indexed Job
	$(PYTHON) -m bench $(ARGS)

up: ## Start a small simulated cluster with the operator (NODES=50); it stays up
	$(PYTHON) -m stargate_lab up $(if $(NODES),--nodes=$(NODES))

down: ## End it
	$(PYTHON) -m stargate_lab down
