FROM busybox
# A comment.
   # An indented one.



RUN echo one \
# between
  && echo two   \   

   && echo three > /lines
ENV A=1 \
# what B is
      B="2 \
   3"  C=4 \

D=5
COPY app/run.sh   \
 app/conf/app.conf \
		/srv/
RUN	echo "$A$B$C$D"	> /values
CMD echo   $A \
  $B
