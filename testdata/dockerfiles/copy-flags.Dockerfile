# syntax=docker/dockerfile:1.7-labs
FROM busybox:1.36 AS files
WORKDIR /in
COPY --parents ./services/*/package.json ./services/./web/src/ /in/
COPY --parents --exclude=**/*.md --exclude="!keep me.md" docs/**/* /docs/
COPY --link --chown=1000:1000 --chmod=u=rwX,go=rX assets/ /assets/
COPY --chmod=a+x bin/[a-m]* bin/?ool /usr/local/bin/
COPY --from=alpine:3.20 /etc/os-release /etc/alpine-release /from/
COPY --from=files-context . /context/
COPY --link=false a* b* c/ d/
COPY "quoted.txt" 'single.txt' /quotes/

FROM scratch
COPY --from=files --parents /in/./services /
COPY --from=FILES /docs /docs
