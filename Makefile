# One entry for everything. `make help` lists the targets.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

# Compiled crates, Python environments and built tools outlive a clean checkout.
export FISHID_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/fishid
export CARGO_TARGET_DIR ?= $(FISHID_CACHE)/target
export FISHID_HOME ?= $(or $(XDG_DATA_HOME),$(HOME)/.local/share)/fishid

# Own photographs, backbone, weights, and where to listen:
# make run DATA=photos BACKBONE=tf-efficientnet-b4 WEIGHTS=model.safetensors LISTEN=0.0.0.0:8080
DATA ?=
BACKBONE ?=
WEIGHTS ?=
LISTEN ?= 127.0.0.1:8080

# `make upload-dataset TO=s3://bucket/prefix`, from FROM; DRY_RUN=1 changes nothing.
TO ?=
FROM ?= datasets_final/processed_images
DRY_RUN ?=
export DRY_RUN

# Minutes of `make soak`.
MINUTES ?= 30

# Ports of `make up`; without them the last ones used, at first 8080, 5000, 7070, 5433, 6380.
FISHID_PORT ?=
MLFLOW_PORT ?=
S3_PORT ?=
POSTGRES_PORT ?=
REDIS_PORT ?=

# `make bench`: a short look, and which servers (fishid, keras, onnxruntime, openvino, litserve, redis).
QUICK ?=
ONLY ?=

# The deployment: ALLOW_DELETE=1 lets terraform-apply delete, DELETE_BUCKET=1 lets destroy take the photographs along,
# CONFIRM=FOLDER_ID answers destroy's question in advance, TAG is the version of the images (the commit),
# CONTAINER_TOOL builds them (docker), PHOTOGRAPHS are brought to the bucket by deploy-all.
ALLOW_DELETE ?=
DELETE_BUCKET ?=
CONFIRM ?=
export ALLOW_DELETE DELETE_BUCKET CONFIRM

.PHONY: help setup setup-stack setup-test build run up down status-local wheel test test-full lint bench bench-training soak \
	upload-dataset init terraform-plan terraform-apply deploy-k8s setup-airflow deploy-inference deploy-all print-urls \
	status destroy

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(firstword $(MAKEFILE_LIST)) | sed 's/:.*## /\t/' | expand -t 16

setup: ## what building and running need: system packages, ONNX Runtime, the page's parts
	@scripts/setup.sh run

setup-stack: ## what `make up` needs besides: PostgreSQL, an S3 server, MLflow, Redis
	@scripts/setup.sh stack

setup-test: ## what the tests need besides: Chromium, linters, Python environment
	@scripts/setup.sh test

build: setup ## the release binary
	@cargo build --release --locked --package fishid

wheel: setup ## the Python wheel (Linux on x86-64); prints its path
	@scripts/wheel.sh

run: build ## set up, train if no model is in production, serve on $(LISTEN)
	@exec "$$CARGO_TARGET_DIR/release/fishid" up --listen "$(LISTEN)" \
		$(if $(DATA),--data "$(DATA)") $(if $(BACKBONE),--backbone "$(BACKBONE)") $(if $(WEIGHTS),--weights "$(WEIGHTS)")

up: build setup-stack ## PostgreSQL, S3, MLflow, Redis and a server on this machine, without containers
	@FISHID_STACK_PYTHON=$$(scripts/setup.sh python stack/requirements.txt)/bin/python scripts/stack.py up \
		$(if $(FISHID_PORT),--fishid-port $(FISHID_PORT)) $(if $(MLFLOW_PORT),--mlflow-port $(MLFLOW_PORT)) \
		$(if $(S3_PORT),--s3-port $(S3_PORT)) $(if $(POSTGRES_PORT),--postgres-port $(POSTGRES_PORT)) \
		$(if $(REDIS_PORT),--redis-port $(REDIS_PORT))

down: ## end what `make up` started; the data stay
	@scripts/stack.py down

status-local: ## what of `make up` is running, and where
	@scripts/stack.py status

test: setup setup-test ## every test that belongs in every run
	@scripts/test.sh

test-full: setup setup-test ## the slow ones too: many kills, long soaks
	@FISHID_TEST_FULL=1 scripts/test.sh

lint: setup setup-test ## formatting, lints, licences, docs, links
	@scripts/lint.sh

upload-dataset: build ## checks the photographs in FROM and brings them to TO=s3://…; DRY_RUN=1 only says so
	@scripts/upload_dataset.sh "$(TO)" "$(FROM)"

soak: build setup-test ## good, bad, slow and aborted clients and reloads for MINUTES
	@scripts/soak.sh "$(MINUTES)"

bench: setup ## the server beside its peers, into docs/PERFORMANCE.md; QUICK=1, ONLY=fishid,openvino
	@scripts/bench_serving.sh $(if $(QUICK),--quick) $(if $(ONLY),--only "$(ONLY)")

bench-training: setup ## the numbers quoted in docs/TRAINING.md, measured again here
	@scripts/bench.sh

init: ## Yandex Cloud: prepare Terraform; docs/DEPLOYMENT_AUTO.md
	@scripts/deploy/terraform.sh init

terraform-plan: ## what terraform-apply would change in the cloud
	@scripts/deploy/terraform.sh plan

terraform-apply: ## make the infrastructure; deletes nothing without ALLOW_DELETE=1
	@scripts/deploy/terraform.sh apply

deploy-k8s: ## Redis, MLflow, secrets, logs, monitoring into the cluster
	@scripts/deploy/kubernetes.sh

setup-airflow: ## DAGs, job, connections and variables into Airflow
	@scripts/deploy/airflow.sh

deploy-inference: ## build, push and roll out the API and the page of this commit
	@scripts/deploy/inference.sh

deploy-all: ## everything, in order; a call after a failure goes on where it stopped
	@scripts/deploy/all.sh

print-urls: ## where the page, Grafana, MLflow and Airflow are
	@scripts/deploy/urls.sh

status: ## a table of what runs in the cloud
	@scripts/deploy/status.sh

destroy: ## delete everything in the cloud; says what will be lost, and asks
	@scripts/deploy/destroy.sh
