# escape=`
# After the byte order mark.
FROM busybox
ENV DIR=C:\temp `
OTHER=`$x
RUN echo "$DIR" `
  "$OTHER"> /dir
COPY app\run.sh* /never/
WORKDIR /work
