# syntax=docker/dockerfile:1
FROM mcr.microsoft.com/dotnet/runtime:8.0 AS base
WORKDIR /app



FROM base AS final
COPY . .
RUN echo a && \
  # comment
    echo b
ENTRYPOINT ["dotnet", "x.dll"]