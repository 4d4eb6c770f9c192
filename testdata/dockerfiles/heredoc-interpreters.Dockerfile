# syntax=docker/dockerfile:1.4
FROM python:3.12 AS scripts

RUN <<EOF
#!/usr/bin/env python3
import json, pathlib
pathlib.Path("/data.json").write_text(json.dumps({"a": [1, 2]}))
EOF

RUN python3 <<PY > /computed.txt
print(sum(range(10)))
PY

RUN <<-BASH bash
	set -euo pipefail
	for name in one two three; do
	    echo "$name" >> /names
	done
	BASH

run cat <<FIRST <<'SECOND' > /both
expanded by the shell: $HOME
FIRST
kept as it is: $HOME   
  # no comment

SECOND

RUN <<EOF cat > /odd
line with \
a backslash
EOF
ONBUILD RUN <<EOF
echo in the child
EOF
COPY <<EOF /etc/motd
Welcome to ${HOSTNAME:-nowhere}, \${not} expanded
EOF
