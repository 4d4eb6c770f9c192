# syntax=docker/dockerfile:1
FROM alpine AS src
ARG KERNEL=6.11
ADD --checksum=sha256:55d2c6c025ebc27810c748d66325dd5bc601e8d32f8581d9e77673529bdacb2e https://cdn.example.test/pub/linux/kernel/v6.x/linux-${KERNEL}.tar.xz /
ADD --keep-git-dir=true https://git.example.test/acme/tool.git#v1.2.3:sub/dir /tool
ADD git@git.example.test:acme/private.git /private
ADD --chown=10:11 --chmod=0644 https://example.test/a.txt https://example.test/b.txt /texts/
ADD --unpack=true https://example.test/rootfs.tar.gz /rootfs/
ADD ["local archive.tar.gz", "/unpacked/"]
ADD --unpack=false local.tar.xz /kept/

FROM scratch
COPY --from=src /rootfs /
