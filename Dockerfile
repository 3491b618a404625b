FROM python:3.12-slim AS build
WORKDIR /build
COPY requirements/worker.txt .
RUN python -m venv /app && /app/bin/pip install --no-cache-dir --require-hashes -r worker.txt
COPY pyproject.toml README.md LICENSE celeryconfig.py ./
COPY models models
COPY tasks tasks
COPY worker worker
RUN /app/bin/pip install --no-cache-dir --no-deps .

FROM python:3.12-slim
RUN useradd --system --uid 10001 retention
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1
USER retention
# A batch ends within seconds; the rest is handed back.
STOPSIGNAL SIGTERM
CMD ["celery", "-A", "worker", "worker"]
