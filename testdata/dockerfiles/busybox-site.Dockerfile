# syntax=docker/dockerfile:1
FROM busybox AS site
WORKDIR /site
COPY site/ .
RUN find . -type f | sort > /manifest.txt && \
    mv /manifest.txt . && wc -l manifest.txt

FROM busybox
COPY --from=site --chown=1:1 /site /var/www
WORKDIR /var/www
EXPOSE 80
USER daemon
CMD ["httpd", "-f", "-p", "80"]
