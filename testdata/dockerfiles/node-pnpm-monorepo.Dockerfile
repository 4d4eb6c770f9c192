FROM node:22-slim AS base
ENV PNPM_HOME="/pnpm"
ENV PATH="$PNPM_HOME:$PATH"
RUN corepack enable && corepack prepare pnpm@9.12.3 --activate

FROM base AS prune
WORKDIR /repo
RUN pnpm dlx turbo --version
COPY . .
RUN pnpm dlx turbo prune @acme/web --docker

FROM base AS install
WORKDIR /repo
COPY --from=prune /repo/out/json/ .
COPY --from=prune /repo/out/pnpm-lock.yaml ./pnpm-lock.yaml
RUN --mount=type=cache,id=pnpm,target=/pnpm/store pnpm install --frozen-lockfile

FROM install AS build
COPY --from=prune /repo/out/full/ .
ARG SENTRY_RELEASE
ARG NEXT_PUBLIC_API_URL=https://api.example.test
RUN --mount=type=secret,id=sentry_auth_token,env=SENTRY_AUTH_TOKEN \
    pnpm turbo run build --filter=@acme/web... && \
    pnpm deploy --filter=@acme/web --prod /prod/web

FROM base AS web
COPY --from=build --chown=node:node /prod/web /prod/web
WORKDIR /prod/web
USER node
EXPOSE 8000/tcp
CMD [ "pnpm", "start" ]
