ARG PG_MAJOR=16
FROM postgres:${PG_MAJOR}-bookworm AS build
ARG PG_MAJOR
SHELL ["/bin/bash", "-o", "pipefail", "-o", "errexit", "-c"]
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-server-dev-${PG_MAJOR} build-essential \
  && rm -r /var/lib/apt/lists/*
COPY . /tmp/vector
RUN cd /tmp/vector && make clean && make OPTFLAGS="" && make install && mkdir /usr/share/doc/vector && cp LICENSE README.md /usr/share/doc/vector

FROM postgres:${PG_MAJOR}-bookworm
ARG PG_MAJOR
COPY --from=build /usr/share/postgresql/${PG_MAJOR}/extension/ /usr/share/postgresql/${PG_MAJOR}/extension/
COPY --from=build /usr/lib/postgresql/${PG_MAJOR}/lib/vector.so /usr/lib/postgresql/${PG_MAJOR}/lib/
COPY ["./init/*.sql", "./init/*.sh", "/docker-entrypoint-initdb.d/"]
ENV POSTGRES_USER=app POSTGRES_DB=app
EXPOSE 5432
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --start-interval=1s --retries=5 \
    CMD ["pg_isready", "-U", "app"]
CMD ["postgres", "-c", "shared_preload_libraries=vector"]
