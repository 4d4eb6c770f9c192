# syntax=docker/dockerfile:1

ARG GO_VERSION="1.23"
ARG XX_VERSION="1.5.0"
ARG BASE_VARIANT="alpine"

FROM --platform=${BUILDPLATFORM} tonistiigi/xx:${XX_VERSION} AS xx

FROM --platform=${BUILDPLATFORM} golang:${GO_VERSION}-${BASE_VARIANT} AS base
COPY --from=xx / /
RUN apk add --no-cache clang lld file git
ENV GOFLAGS="-mod=vendor" CGO_ENABLED=0
WORKDIR /go/src/github.com/acme/tool

FROM base AS version
RUN --mount=target=. <<EOT
  set -e
  git rev-parse HEAD > /tmp/.revision || echo unknown > /tmp/.revision
  echo "-X main.version=$(git describe --match 'v[0-9]*' --dirty='.m' --always --tags || echo dev)" | tee /tmp/.ldflags
EOT

FROM base AS build
ARG TARGETPLATFORM
RUN --mount=type=bind,target=. \
    --mount=type=bind,from=version,source=/tmp/.ldflags,target=/tmp/.ldflags \
    --mount=type=cache,target=/root/.cache \
    --mount=type=cache,target=/go/pkg/mod <<EOT
  set -e
  xx-go --wrap
  go build -ldflags "$(cat /tmp/.ldflags)" -o /usr/bin/tool ./cmd/tool
  xx-verify --static /usr/bin/tool
EOT

FROM scratch AS binary-unix
COPY --link --from=build /usr/bin/tool /

FROM scratch AS binary-windows
COPY --link --from=build /usr/bin/tool /tool.exe

FROM binary-unix AS binary-linux
FROM binary-unix AS binary-darwin
FROM binary-${TARGETOS:-linux} AS binary

FROM --platform=$BUILDPLATFORM alpine AS releaser
ARG TARGETOS
ARG TARGETARCH
ARG TARGETVARIANT
WORKDIR /work
RUN --mount=from=binary <<EOT
  set -e
  mkdir -p /out
  cp tool* "/out/tool-${TARGETOS}-${TARGETARCH}${TARGETVARIANT}"
EOT

FROM scratch AS release
COPY --from=releaser /out/ /

FROM alpine:3.20
RUN apk add --no-cache ca-certificates
COPY --from=binary-unix /tool /usr/local/bin/
ENTRYPOINT ["tool"]
