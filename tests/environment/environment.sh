#!/usr/bin/env bash
# The test environment: an engine, base images, a registry and the virtualenv. `environment.sh help` lists the commands.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

python=
for candidate in python3 /usr/bin/python3 python3.13 python3.12 python3.11; do
    if new_enough "$candidate"; then python=$candidate && break; fi
done
if [ -z "$python" ]; then
    # Only here, where there is no Python yet, the shell installs something itself.
    echo "environment: installing python3 from Debian …" >&2
    if ! output=$("$here/install-packages.sh" python3 python3-venv 2>&1); then
        tail -n 15 <<<"$output" >&2
        echo "environment: no Python 3.11 or newer here. Install it (Debian: apt-get install python3 python3-venv)." >&2
        exit 2
    fi
    python=/usr/bin/python3
fi
exec "$python" -c 'import sys; sys.path.insert(0, sys.argv.pop(1)); from environment.__main__ import main; sys.exit(main())' \
    "$(dirname -- "$here")" "$@"
