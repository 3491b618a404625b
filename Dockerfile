# The worker's image: one for worker, beat, web server and commands. Pin the base by its digest where you build for others:
# docker build --build-arg BASE=python:3.12-slim@sha256:…
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
WORKDIR /build
COPY requirements/worker.txt .
RUN python -m venv /app && /app/bin/pip install --no-cache-dir --require-hashes -r worker.txt
COPY pyproject.toml README.md LICENSE celeryconfig.py ./
COPY models models
COPY tasks tasks
COPY worker worker
RUN /app/bin/pip install --no-cache-dir --no-deps . && /app/bin/python -m compileall -q /app

FROM ${BASE}
COPY --from=build /app /app
# Nothing is written but to /tmp: the root filesystem may be read-only.
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp RETENTION_ALIVE_FILE=/tmp/alive
WORKDIR /tmp
# By number, so that Kubernetes sees that it is not root; any other number works as well.
USER 10001:10001
# A batch ends within seconds; the rest is handed back.
STOPSIGNAL SIGTERM
CMD ["celery", "-A", "worker", "worker"]
