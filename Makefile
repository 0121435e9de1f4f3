# Every chore is one command; each installs what it needs. `make` lists them.
.DEFAULT_GOAL := help
.PHONY: help serve test lint format train evaluate bench bench-quick bench-fire lock clean

export PYTHON
DATA ?= data
RECIPE ?= few
EPOCHS ?= $(if $(filter few,$(RECIPE)),90)
RUN ?= runs/$(RECIPE)-pranet-42
BIN := .venv/bin

help: ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 26

serve: ## Serve the shipped model on http://127.0.0.1:8000
	@requirements/install $$(requirements/suited)
	@exec $(BIN)/polypseg serve

test: ## Run all tests, with coverage
	@requirements/install dev
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

lint: ## Check style and types
	@requirements/install dev
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

format: ## Format the code
	@requirements/install dev
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

train: ## Train the light network on DATA (1 to 2 hours); goes on where it was stopped
	@requirements/install dev
	@$(BIN)/polypseg train --recipe $(RECIPE) $(if $(EPOCHS),--epochs $(EPOCHS)) \
		--split pranet --negatives --data $(DATA) --out $(RUN) --resume

evaluate: ## Score the shipped model on DATA and write a report with pictures
	@requirements/install dev
	@$(BIN)/polypseg evaluate --data $(DATA)

bench: ## Compare the service with its peers, whole (an hour and a half)
	@requirements/install dev
	@$(BIN)/python -m benchmarks.compare

bench-quick: ## Compare it with plain FastAPI and mosec (5 minutes)
	@requirements/install dev
	@$(BIN)/python -m benchmarks.compare --quick

bench-fire: ## Prove what the service promises under fire (half an hour)
	@requirements/install dev
	@$(BIN)/python -m benchmarks.fire

include deploy/deploy.mk

lock: ## Pin all dependencies again (needs uv)
	@requirements/lock

clean: ## Remove the environment and caches
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
