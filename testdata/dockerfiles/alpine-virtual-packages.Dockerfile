FROM alpine:3.20
LABEL maintainer="ops@example.test"

ARG RESTIC_VERSION=0.17.1
ARG TARGETARCH

RUN set -x \
    # runtime
    && apk add --update --no-cache ca-certificates fuse openssh-client tzdata bash curl \
    # needed while building only
    && apk add --no-cache --virtual .fetch-deps bzip2 gnupg \
    && curl -fsSL -o /tmp/restic.bz2 \
         "https://dl.example.test/restic/v${RESTIC_VERSION}/restic_${RESTIC_VERSION}_linux_${TARGETARCH}.bz2" \
    && bunzip2 -c /tmp/restic.bz2 > /usr/local/bin/restic \
    && chmod +x /usr/local/bin/restic \
    \
    && apk del .fetch-deps \
    && rm -rf /tmp/* /var/cache/apk/*

COPY --chmod=0755 backup.sh check.sh /usr/local/bin/
COPY crontab /etc/crontabs/root

VOLUME /data /cache
ENTRYPOINT ["/usr/sbin/crond"]
CMD ["-f", "-l", "8"]
