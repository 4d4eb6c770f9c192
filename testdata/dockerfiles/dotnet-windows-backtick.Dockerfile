# escape=`
# The escape character is a backtick, since paths are full of backslashes.

ARG REPO=mcr.microsoft.com/dotnet/framework
FROM ${REPO}/sdk:4.8 AS build
SHELL ["powershell", "-Command", "$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue';"]

WORKDIR C:\src
RUN Invoke-WebRequest `
        -UseBasicParsing `
        -Uri https://dist.example.test/nuget.exe `
        # where it is kept
        -OutFile C:\tools\nuget.exe; `
    Write-Host done
COPY . C:\src\
RUN C:\tools\nuget.exe restore; msbuild /p:Configuration=Release

FROM ${REPO}/aspnet:4.8
ENV DIR="C:\Program Files\app" `
    NAME=x` y
WORKDIR C:\inetpub\wwwroot
COPY --from=build C:\src\out\ .
ENTRYPOINT ["C:\\ServiceMonitor.exe", "w3svc"]
