#   a comment with room before it  

#
# The next comment is no directive: the lines above ended them.
# escape=`
FROM debian:bookworm   AS   odd
   # an indented comment
RUN apt-get update && \
# a comment within
    # another one

    apt-get install -y \
	    curl \   
  git \
    ; \
  true
ENV A=1 \
  # about b
B=2 C="three \
  four" \

D=5
LABEL   a.b.c="x"    d.e.f='y z'   \
        g=h
EXPOSE   80   443/tcp \
  8080
VOLUME /a   /b \
   /c
COPY a \
  b \
  c \
     /dest/
RUN echo 'no # comment here' \\
ARG   ONE   TWO=2 \
THREE="3 3"
HEALTHCHECK   --interval=5s \
   --timeout=2s   CMD   curl -f http://localhost/ ||   exit 1
SHELL   [ "/bin/bash",  "-c" ]
ENTRYPOINT [ "tini", \
   "--", \
   "run"  ]
USER   odd   
WORKDIR   /srv/with space  
STOPSIGNAL   SIGTERM
CMD echo last \
