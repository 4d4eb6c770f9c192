FROM busybox
ENV NAME=kiln
run <<EOF
set -e
mkdir -p /made
  # indented, and a line of the script
echo "hello $NAME" > /made/hello
EOF
COPY <<-'RAW' <<expanded.txt   /etc/app/
	kept: $NAME
RAW
name: ${NAME}, \$NAME
expanded.txt
RUN cat > /made/both <<ONE && cat >> /made/both <<'TWO'
$NAME
ONE
$NAME
TWO
RUN   <<SCRIPT
#!/bin/sh
echo "by $0" > /made/script
SCRIPT
