#!/bin/sh
# Writes a program that greets in the languages of the file that is given: lines of CODE, a colon, and the greeting.
set -eu

echo '#!/bin/sh'
echo 'case "${GREETER_LANGUAGE:-en}" in'
while IFS=: read -r code greeting; do
    echo "$code) echo \"$greeting\" ;;"
done < "$1"
echo '*) echo "no greeting in $GREETER_LANGUAGE" >&2; exit 1 ;;'
echo 'esac'
