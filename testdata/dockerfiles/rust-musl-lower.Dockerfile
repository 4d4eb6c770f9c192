# syntax = docker/dockerfile:1

from rust:1.82-alpine as build
run apk add --no-cache musl-dev
workdir /src
copy Cargo.toml Cargo.lock ./
copy src src
arg FEATURES
run --mount=type=cache,target=/usr/local/cargo/registry \
	--mount=type=cache,target=/src/target,sharing=locked \
	cargo build --release ${FEATURES:+--features "$FEATURES"} && \
	cp target/release/tool /usr/local/bin/tool

from scratch
copy --from=build /usr/local/bin/tool /tool
entrypoint ["/tool"]
cmd ["--help"]
