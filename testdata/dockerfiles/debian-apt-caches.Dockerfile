# syntax=docker/dockerfile:1
FROM debian:12.7-slim AS apt
RUN rm -f /etc/apt/apt.conf.d/docker-clean; echo 'Binary::apt::APT::Keep-Downloaded-Packages "true";' > /etc/apt/apt.conf.d/keep-cache

FROM apt AS toolchain
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
  --mount=type=cache,target=/var/lib/apt,sharing=locked \
  --mount=type=tmpfs,target=/tmp,size=256m \
  apt-get update && apt-get --no-install-recommends install -y \
    build-essential \
    cmake=3.25.* \
    ninja-build

FROM toolchain AS build
WORKDIR /src
COPY CMakeLists.txt ./
COPY cmake/ ./cmake/
COPY --exclude=*_test.cc --exclude=testdata src ./src
RUN --network=none cmake -S . -B /build -G Ninja -DCMAKE_BUILD_TYPE=Release && cmake --build /build && DESTDIR=/out cmake --install /build --strip

FROM debian:12.7-slim
RUN --mount=type=bind,from=build,source=/out,target=/mnt/out cp -a /mnt/out/. /
CMD ["/usr/local/bin/engine", "serve"]
