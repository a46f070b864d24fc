#!/bin/sh
# MLflow's server with what the environment says: POSTGRES_HOST, POSTGRES_PORT (5432), POSTGRES_DATABASE and POSTGRES_USER
# (mlflow), POSTGRES_PASSWORD, POSTGRES_SSLMODE (require), ARTIFACTS_BUCKET, S3_ENDPOINT, AWS_ACCESS_KEY_ID,
# AWS_SECRET_ACCESS_KEY, MLFLOW_WORKERS (2). Further arguments are MLflow's own.
set -eu
for name in POSTGRES_HOST POSTGRES_PASSWORD ARTIFACTS_BUCKET S3_ENDPOINT AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; do
  eval "value=\${$name:-}"
  if [ -z "$value" ]; then
    echo "mlflow-server: $name is not set" >&2
    exit 2
  fi
done
# The password stands in no argument and in no address: psycopg2 takes it from here.
export PGPASSWORD="$POSTGRES_PASSWORD" PGSSLMODE="${POSTGRES_SSLMODE:-require}"
export MLFLOW_BACKEND_STORE_URI="postgresql+psycopg2://${POSTGRES_USER:-mlflow}@$POSTGRES_HOST:${POSTGRES_PORT:-5432}/${POSTGRES_DATABASE:-mlflow}"
export MLFLOW_S3_ENDPOINT_URL="$S3_ENDPOINT"
exec mlflow server --host 0.0.0.0 --port 5000 --workers "${MLFLOW_WORKERS:-2}" \
  --artifacts-destination "s3://$ARTIFACTS_BUCKET/mlflow" "$@"
