ARG BASE=busybox
ARG FLAVOUR=plain


from ${BASE} as Common
arg FLAVOUR
env FLAVOUR=${FLAVOUR:-none} MODE="a b"   EXTRA=x\ y
run echo   "$FLAVOUR"   "$MODE"   > /flavour

from common as fancy
run sed -i 's/$/ fancy/'   /flavour
from common as plain
run touch    /plain

from ${FLAVOUR}
copy --from=fancy    /flavour   /fancy
copy --from=1 --chmod=600 /flavour \
  /flavour /odd/
label   stage="$FLAVOUR"   made.by='kiln'
