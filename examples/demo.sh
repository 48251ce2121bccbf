#!/usr/bin/env bash
# The demonstration: the shop's pipeline from checkout to a verified deployment, a broken test, and its mending.
#   examples/demo.sh         run it        examples/demo.sh down    remove what it left
# Uses DOCKER_HOST and the registry of ECLUSE_TEST_REGISTRY (host:port); images by ECLUSE_TEST_PYTHON, ECLUSE_TEST_POSTGRES.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
demo=${ECLUSE_DEMO_DIR:-${XDG_STATE_HOME:-$HOME/.local/state}/ecluse-demo}
shop=$demo/shop
export ECLUSE_HOME=$demo/home
# Containers get this machine's certificates: harmless anywhere, needed behind a company's proxy.
export ECLUSE_CERTIFICATES=${ECLUSE_CERTIFICATES:-auto}
export ECLUSE_SCANNER_BASE=${ECLUSE_SCANNER_BASE:-${ECLUSE_TEST_PYTHON:-python:3.12-slim}}

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[2m' end=$'\e[0m'; else bold='' dim='' end=''; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$end"; }

down() {
    if [ -d "$ECLUSE_HOME" ]; then
        ecluse gc --abandon >/dev/null || true
        ecluse env remove dev --repository "$shop" --yes >/dev/null 2>&1 || true
    fi
    rm -rf -- "$demo"
}

free_port() {
    python3 - <<'PY'
import socket
for port in (8080, *range(8081, 8200)):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(port)
        break
PY
}

commit() {
    git -C "$shop" add --all
    git -C "$shop" -c user.name='Ada Example' -c user.email=ada@example.org commit --quiet --message "$1"
    say "$1"
}

run() {
    (cd "$shop" && ecluse run \
        --var "PYTHON=${ECLUSE_TEST_PYTHON:-python:3.12-slim}" \
        --var "POSTGRES=${ECLUSE_TEST_POSTGRES:-postgres:16}" \
        --var "IMAGE=${ECLUSE_TEST_REGISTRY:-127.0.0.1:5555}/shop" \
        --var "PORT=$port")
}

serves() { python3 -c 'import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=5).read().decode().strip())' "http://127.0.0.1:$port$1"; }

if [ "${1:-}" = down ]; then down; exit 0; fi

down
mkdir -p "$ECLUSE_HOME"
# Tests give the installation's id, so that whatever they leave can be told from what others have on the engine.
if [ -n "${ECLUSE_DEMO_INSTALLATION:-}" ]; then echo "$ECLUSE_DEMO_INSTALLATION" >"$ECLUSE_HOME/installation"; fi
port=$(free_port)
cp -R "$here/shop" "$shop"
git init --quiet --initial-branch=main "$shop"

commit 'Open the shop'
run
say "It serves: $(serves /version)"

echo 1.1.0 >"$shop/VERSION"
sed -i 's/^DISCOUNT_PERCENT = 5/DISCOUNT_PERCENT = 50/' "$shop/shop/price.py"
commit 'Raise the discount (a test says no)'
if run; then
    echo 'demo: the broken commit should have failed' >&2
    exit 1
fi
say "The old version goes on serving: $(serves /version)"

sed -i 's/^DISCOUNT_PERCENT = 50/DISCOUNT_PERCENT = 5/' "$shop/shop/price.py"
commit 'Put the discount right'
run
say "The new version serves: $(serves /version)"

say 'History of dev'
(cd "$shop" && ecluse history dev)

cat <<TEXT

${bold}Have a look${end}
  the shop           http://127.0.0.1:$port/items     (also /healthz, /metrics, /version)
  its repository     cd $(printf %q "$shop")
  this demo's home   export ECLUSE_HOME=$(printf %q "$ECLUSE_HOME") DOCKER_HOST=${DOCKER_HOST:-}
  then               ecluse runs            what ran
                     ecluse show last       what a run did, with its tests and findings
                     ecluse logs 2 unit     why the second run failed
                     ecluse releases        what was deployed
${dim}make down removes all of it.${end}
TEXT
