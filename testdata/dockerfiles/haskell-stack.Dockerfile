FROM fpco/stack-build:lts-22.33 AS deps
ENV LC_ALL=C.UTF-8 STACK_ROOT=/opt/stack
WORKDIR /work
COPY stack.yaml package.yaml stack.yaml.lock /work/
RUN stack build --system-ghc --dependencies-only

FROM deps AS build
COPY . /work
RUN stack build --system-ghc --copy-bins --local-bin-path /out && strip /out/*

FROM ubuntu:24.04
RUN apt-get update && apt-get install -y --no-install-recommends libgmp10 netbase && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/ /usr/local/bin
COPY --from=0 /work/stack.yaml.lock /usr/share/doc/app/
ENTRYPOINT ["/usr/local/bin/app-exe", "+RTS", "-N", "-RTS"]
