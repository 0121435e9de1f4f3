# The chores of a deployment; the Makefile includes them.
.PHONY: image up rolling-restart test-docker sbom audit

TARGET ?= cpu
SERVICE ?= polypseg
COMPOSE = env $$(deploy/release) \
  BUILD_CA_CERTIFICATES="$${BUILD_CA_CERTIFICATES-$$(deploy/host-certificates)}" deploy/compose

image: ## Build the image TARGET (cpu), with what it is made of on its labels
	@DEPLOY_TARGET=$(TARGET) $(COMPOSE) build polypseg

up: ## Build and start the service with docker compose, and wait until it is ready
	@$(COMPOSE) up --build --wait

rolling-restart: ## Replace the replicas of SERVICE one after another, losing no request
	@deploy/rolling-restart $(SERVICE)

test-docker: ## Build the images and prove what they promise; needs a Docker engine
	@requirements/install dev
	@deploy/test-docker

sbom: image ## Write the bill of materials of the image TARGET to build/sbom-TARGET.json
	@deploy/tools
	@mkdir -p build
	@image=$$(DEPLOY_TARGET=$(TARGET) deploy/image-of polypseg) && \
	  docker run --rm --interactive --network none --entrypoint python3 \
	  "$$image" - <deploy/sbom.py >build/sbom-$(TARGET).json
	@.venv/tools/bin/python deploy/validate-sbom build/sbom-$(TARGET).json
	@echo "build/sbom-$(TARGET).json"

audit: ## Look for known vulnerabilities in the pinned packages
	@deploy/tools
	@PATH="$(CURDIR)/.venv/tools/bin:$$PATH" python deploy/audit.py \
	  requirements/dev.txt requirements/gpu.txt
