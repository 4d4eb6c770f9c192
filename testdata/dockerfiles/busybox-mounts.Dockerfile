# syntax=docker/dockerfile:1
FROM busybox AS made
RUN --mount=type=bind,source=app,target=/in \
    --mount=type=cache,target=/cache,id=corpus \
    --mount=type=tmpfs,target=/scratch \
  cp /in/run.sh /scratch/ && cp /scratch/run.sh /run.sh && touch /cache/seen
RUN    --mount=type=bind,from=busybox,source=/etc,target=/other   --network=none   cat   /other/passwd > /passwd

FROM scratch
COPY --link --from=made   /run.sh /passwd   /linked/
COPY --exclude=*.md --exclude=css app site /files/
COPY --parents app/./conf/app.conf lib* /kept/
