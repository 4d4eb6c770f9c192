# syntax=docker/dockerfile:1.10
FROM ghcr.io/astral-sh/uv:0.5.1 AS uv

FROM python:3.13-slim AS builder
ENV UV_COMPILE_BYTECODE=1 UV_NO_INSTALLER_METADATA=1 UV_LINK_MODE=copy
RUN --mount=from=uv,source=/uv,target=/bin/uv \
    --mount=type=cache,target=/root/.cache/uv \
    --mount=type=bind,source=uv.lock,target=uv.lock \
    --mount=type=bind,source=pyproject.toml,target=pyproject.toml \
    uv export --frozen --no-emit-workspace --no-dev --no-editable -o requirements.txt && \
    uv pip install -r requirements.txt --target "/opt/task"

FROM python:3.13-slim
COPY --from=builder /opt/task /opt/task
COPY ./app /opt/task/app
COPY <<EOF /opt/task/logging.ini
[loggers]
keys = root

[handler_console]
class = StreamHandler
args = (sys.stderr,)
EOF
COPY <<'EOF' /usr/local/bin/entrypoint
#!/bin/sh
# Not a comment of the Dockerfile: a line of the script.
set -eu
exec "$@"
EOF
RUN chmod +x /usr/local/bin/entrypoint
ENV PYTHONPATH=/opt/task
ENTRYPOINT ["entrypoint"]
CMD ["python", "-m", "app"]
