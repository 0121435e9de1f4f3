# The chores of a deployment; the Makefile includes them.
.PHONY: image up rolling-restart test-docker sbom audit

TARGET ?= cpu
SERVICE ?= polypseg
COMPOSE = env $$(deploy/release) BUILD_CA_CERTIFICATES="$$(deploy/host-certificates)" deploy/compose

image: ## Build the image of the service, with what it is made of on its labels
	@DEPLOY_TARGET=$(TARGET) $(COMPOSE) build polypseg

up: ## Build and start the service with docker compose, and wait until it is ready
	@$(COMPOSE) up --build --wait

rolling-restart: ## Replace the replicas one after another, losing no request
	@deploy/rolling-restart $(SERVICE)
