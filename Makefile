# Every target is one line of `make help`: the text after `##`.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STACK = $(BIN)/stack

PIP_QUIET := --quiet --disable-pip-version-check --no-input --progress-bar off
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'

export PIP_DISABLE_PIP_VERSION_CHECK := 1

##@ Run
up: $(VENV)/.ops ## Start the whole stack and print where everything is (MODE=compose or local, SPEED=20 for drills, SCALE=1, SHARDS=2)
	@$(STACK) up $(if $(MODE),--mode $(MODE)) $(if $(SPEED),--speed $(SPEED)) $(if $(SCALE),--scale) $(if $(SHARDS),--shards $(SHARDS))

down: $(VENV)/.ops ## Stop the stack; what it has stored is kept
	@$(STACK) down

load: $(VENV)/.ops ## Send questions: RATE= per second, DURATION= seconds
	@$(STACK) load $(if $(RATE),--rate $(RATE)) $(if $(DURATION),--duration $(DURATION))

fire-drill: $(VENV)/.ops ## Make an alert fire, and follow it to the inbox: ALERT=TargetDown, or ALL
	@$(STACK) fire-drill $(ALERT)

chaos: $(VENV)/.ops ## Let something fail, and judge what follows: SCENARIO=cascade, 1 to 7, or ALL
	@$(STACK) chaos $(SCENARIO)

##@ Look
status: $(VENV)/.ops ## Show what runs, its health, memory and address
	@$(STACK) status

doctor: $(VENV)/.ops ## Say what is wrong with the running stack, why, and what mends it
	@$(STACK) doctor

logs: $(VENV)/.ops ## Show the end of one log: SERVICE=gateway, prometheus, …; FOLLOW=1 goes on
	@$(STACK) logs $(if $(SERVICE),$(SERVICE)) $(if $(FOLLOW),--follow)

examples: $(VENV)/.dev ## Run the ten examples, one after the other
	@for each in examples/*.py; do echo "--- $$each" && $(BIN)/python $$each </dev/null || exit 1; echo; done

##@ Build
new-service: $(VENV)/.ops ## Copy services/template and register the copy: NAME=orders, PORT=8010
	@$(STACK) service add "$(NAME)" $(if $(PORT),--port "$(PORT)")

remove-service: $(VENV)/.ops ## Take such a copy away: NAME=orders (FORCE=1 also if it was changed)
	@$(STACK) service remove "$(NAME)" $(if $(FORCE),--force)

slo: $(VENV)/.ops ## Write the SLO rules anew from prometheus/slo
	@$(STACK) slo generate

dashboards: $(VENV)/.ops ## Write Grafana's dashboards anew from stack/ops/dashboards
	@$(STACK) dashboards generate

kubernetes: $(VENV)/.ops ## Write the Kustomize bases in kubernetes/ anew
	@$(STACK) export kubernetes kubernetes

pictures: $(VENV)/.dev ## Take the guides' pictures anew: 8 minutes; needs Chromium
	@STACK_PICTURES=1 $(BIN)/pytest tests/integration/test_console.py tests/integration/test_inbox_page.py \
	  tests/integration/test_notifications_mail.py -k "fault or clicks or fires or guides or answer"

images: $(VENV)/.ops ## Build all container images without a registry: 6 minutes, once (SCALE=1: those of pairs, too)
	@$(STACK) images $(if $(SCALE),--scale)

docs: $(VENV)/.dev ## Make a site of the guides and the library's reference in .run/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "The site is in .run/site: open index.html"

test: lint ## Run every check: lint, types, unit, property, rules, integration
	@$(BIN)/pytest $(ARGS)

bench: $(VENV)/.dev ## Measure the hot paths beside their peers: 3 minutes (NAME=breaker_call for one)
	@$(BIN)/python -m benchmarks $(NAME) $(if $(NAME),,--out benchmarks)

lint: $(VENV)/.dev ## Check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.dev ## Rewrite the code in the project's style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: $(VENV)/.dev ## Pin every dependency anew, with hashes
	@$(COMPILE) pyproject.toml --all-extras --group dev --group build -o requirements/dev.lock
	@$(COMPILE) pyproject.toml --extra services --extra ops --extra console --group build -c requirements/dev.lock -o requirements/ops.lock
	@$(COMPILE) pyproject.toml --extra services --extra console -c requirements/dev.lock -o requirements/services.lock
	@$(COMPILE) --group build -c requirements/dev.lock -o requirements/build.lock

runbooks: $(VENV)/.ops ## Write the index of the runbooks anew, from the rules and the pages
	@$(BIN)/python -m stack.ops.runbooks

scaled: $(VENV)/.ops ## Write Thanos' files anew from those of the one machine
	@$(BIN)/python -m stack.ops.scale.files

thanos: $(VENV)/.ops ## Build Thanos, for SCALE=1 (once; needs Go; 2 minutes)
	@$(BIN)/python -m stack.ops.thanos

cassandra: $(VENV)/.ops ## Fetch Cassandra, for SCALE=1 (once; needs Java 17 and Maven)
	@$(BIN)/python -m stack.ops.cassandra

jaeger: $(VENV)/.ops ## Build Jaeger for local mode and images (once; needs Go; 4 minutes)
	@$(BIN)/python -m stack.ops.jaeger

clean: ## Stop the stack; delete its data, .run/ and .venv
	@if [ -x $(STACK) ]; then $(STACK) down --volumes; fi
	@rm -rf .run $(VENV)

help: ## Print this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The environment holds either what running needs, or that and what testing needs.
$(VENV)/.ops: requirements/ops.lock pyproject.toml
	@$(call install,ops)

$(VENV)/.dev: requirements/dev.lock pyproject.toml
	@$(call install,dev)
	@touch $(VENV)/.ops

define install
	echo "Installing from requirements/$(1).lock into $(VENV) (once; about a minute) …" && \
	{ [ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV) || \
	  { echo "make: could not create $(VENV) with '$(PYTHON)'; install Python 3.11 or newer with its venv module, or set PYTHON=" >&2; exit 1; }; } && \
	{ $(BIN)/python -m pip install $(PIP_QUIET) --require-hashes -r requirements/$(1).lock && \
	  $(BIN)/python -m pip install $(PIP_QUIET) --no-deps --no-build-isolation --editable . || \
	  { echo "make: could not install from requirements/$(1).lock; check the network and pip's index settings, then run make again" >&2; exit 1; }; } && \
	touch $(VENV)/.$(1)
endef

.PHONY: up down load fire-drill chaos status doctor logs examples new-service remove-service slo dashboards pictures images runbooks scaled thanos jaeger docs test bench lint format lock clean help cassandra kubernetes
