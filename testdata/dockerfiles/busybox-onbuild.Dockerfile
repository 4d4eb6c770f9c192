FROM busybox AS parent
ONBUILD   run echo   triggered \
   twice > /triggered
onbuild COPY   app/run.sh    /app/
ONBUILD ENV   A=1    B=2
ONBUILD run <<EOF
echo in a heredoc > /here
EOF

FROM parent
RUN test -f /triggered -a -x /app/run.sh && env > /env
