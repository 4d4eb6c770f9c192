FROM golang:1.22 as builder
RUN useradd -u 10001 scratchuser
WORKDIR /go/src/app
ADD . .
RUN CGO_ENABLED=0 go install -v -a -ldflags '-extldflags "-static"' ./...

FROM alpine:latest as certs
RUN apk --update add ca-certificates tzdata

FROM scratch
COPY --from=certs /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=certs /usr/share/zoneinfo /usr/share/zoneinfo
COPY --from=builder /etc/passwd /etc/passwd
COPY --from=builder /go/bin/app /app
USER scratchuser
ENV TZ Europe/Berlin
VOLUME ["/data", "/config"]
EXPOSE 8080
STOPSIGNAL SIGINT
ENTRYPOINT ["/app"]
