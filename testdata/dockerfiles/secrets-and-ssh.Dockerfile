# syntax=docker/dockerfile:1
FROM golang:1.23-alpine AS fetch
RUN apk add --no-cache git openssh-client
RUN mkdir -p -m 0700 ~/.ssh && ssh-keyscan git.example.test >> ~/.ssh/known_hosts
ENV GOPRIVATE=git.example.test/*
RUN git config --global url."ssh://git@git.example.test/".insteadOf "https://git.example.test/"
WORKDIR /src
COPY go.* ./
RUN --mount=type=ssh,id=default,required=false \
    --mount=type=secret,id=netrc,target=/root/.netrc,mode=0400 \
    --mount=type=secret,id=token,env=API_TOKEN \
    --mount="type=secret,id=aws,target=/root/.aws/credentials" \
    go mod download
RUN --mount=type=secret,id=cert,uid=1000,gid=1000 --security=sandbox --network=default \
    test -f /run/secrets/cert || echo without certificate

FROM fetch
COPY . .
RUN --mount=type=ssh git ls-remote && go build ./...
