# MLflow's server on PostgreSQL and S3: `docker build --file docker/mlflow.Dockerfile --tag fishid-mlflow .`
ARG PYTHON=docker.io/library/python:3.11-slim-bookworm

FROM ${PYTHON} AS packages
COPY docker/mlflow/requirements.txt /requirements.txt
RUN python3 -m venv /opt/mlflow && \
    /opt/mlflow/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement /requirements.txt

FROM ${PYTHON}
COPY --from=packages /opt/mlflow /opt/mlflow
COPY docker/mlflow/server.sh /usr/local/bin/mlflow-server
ENV HOME=/tmp PYTHONUNBUFFERED=1 \
    PATH=/opt/mlflow/bin:/usr/local/bin:/usr/bin:/bin \
    # Its job queue is for features that fishid does not use.
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
    MLFLOW_DISABLE_TELEMETRY=true \
    DO_NOT_TRACK=true
USER 65532:65532
WORKDIR /tmp
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python3", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:5000/health', timeout=4)"]
ENTRYPOINT ["/usr/local/bin/mlflow-server"]
