# syntax=docker/dockerfile:1
ARG DISTRO=ubuntu
ARG SUITE=noble
ARG REGISTRY
ARG BASE=${REGISTRY:+$REGISTRY/}${DISTRO}:${SUITE}

FROM --platform=linux/amd64 ${BASE} AS build-amd64
ENV TRIPLET=x86_64-linux-gnu

FROM --platform=linux/arm64 ${BASE} AS build-arm64
ENV TRIPLET=aarch64-linux-gnu

FROM build-${TARGETARCH:-amd64} AS build
ARG CC=gcc CXX=g++ CFLAGS="-O2 -g" LDFLAGS=
ENV CC=${TRIPLET}-${CC}    CXX=${TRIPLET}-${CXX} \
    CFLAGS="${CFLAGS} -fstack-protector-strong"   LDFLAGS=${LDFLAGS:--Wl,-z,relro}
WORKDIR /build/${TRIPLET%%-*}
COPY . /src
RUN /src/configure --host=${TRIPLET} && make -j"$(getconf _NPROCESSORS_ONLN)" && make install DESTDIR=/out

FROM ${BASE}
ARG TARGETPLATFORM
LABEL build.platform=$TARGETPLATFORM \
  "build.note"="made for ${TARGETPLATFORM}" 'quoted key'='$literal'
COPY --from=build /out /
STOPSIGNAL SIGQUIT
CMD ["daemon"]
