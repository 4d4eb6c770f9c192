FROM busybox

RUN echo one && \
    echo two > /two
copy <<EOF /crlf.txt
kept with its
line ends
EOF
ENV A=1 \
  B=2
CMD ["cat", "/crlf.txt"]
