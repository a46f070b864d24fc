#!/usr/bin/env bash
# Gives scripts/setup_airflow.sh what Terraform made, in its environment.
target=setup-airflow
cd "$(dirname "$0")/../.."
. scripts/deploy/common.sh

need_tools terraform yc python3
[ -x scripts/setup_airflow.sh ] || die 1 "there is no scripts/setup_airflow.sh in this checkout"
read_outputs
FISHID_BUCKET=$(output bucket)
FISHID_TRAINING_JSON=$(output training)
AIRFLOW_CLUSTER_ID=$(output airflow_cluster_id)
AIRFLOW_URL=$(output airflow_url)
export DRY_RUN FISHID_BUCKET FISHID_TRAINING_JSON AIRFLOW_CLUSTER_ID AIRFLOW_URL
exec scripts/setup_airflow.sh
