#!/usr/bin/env bash
# The demonstration: the shop's pipeline from checkout to a verified deployment, a broken test, and its mending; then over
# staging to prod with two approvals, a bad release that goes back by itself, and why prod runs what it runs.
#   examples/demo.sh         run it        examples/demo.sh down    remove what it left
# Uses DOCKER_HOST and the registry of ECLUSE_TEST_REGISTRY (host:port); images by ECLUSE_TEST_PYTHON, ECLUSE_TEST_POSTGRES.
# With ECLUSE_TEST_SWARM (a manager's address) and ECLUSE_TEST_SWARM_REGISTRY staging is a swarm, else a container.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
demo=${ECLUSE_DEMO_DIR:-${XDG_STATE_HOME:-$HOME/.local/state}/ecluse-demo}
shop=$demo/shop
export ECLUSE_HOME=$demo/home
# Containers get this machine's certificates: harmless anywhere, needed behind a company's proxy.
export ECLUSE_CERTIFICATES=${ECLUSE_CERTIFICATES:-auto}
export ECLUSE_INSECURE_REGISTRIES=${ECLUSE_TEST_SWARM_REGISTRY:-}
export ECLUSE_SCANNER_BASE=${ECLUSE_SCANNER_BASE:-${ECLUSE_TEST_PYTHON:-python:3.12-slim}}

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[2m' end=$'\e[0m'; else bold='' dim='' end=''; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$end"; }

down() {
    if [ -d "$ECLUSE_HOME" ]; then
        # Where the engine does not answer, the folder stays: it knows what has to be removed.
        ecluse gc --abandon >/dev/null
        for environment in prod staging dev; do
            if ecluse history "$environment" --repository "$shop" >/dev/null 2>&1; then
                ecluse env remove "$environment" --repository "$shop" --yes >/dev/null 2>&1 || true
            fi
        done
    fi
    rm -rf -- "$demo"
}

# The first so many free ports from 8080 on.
free_ports() {
    python3 - "$1" <<'PY'
import socket
import sys
wanted = int(sys.argv[1])
for port in range(8080, 8280):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
    print(port)
    wanted -= 1
    if not wanted:
        break
PY
}

# What staging is: a service of two instances on a swarm with a registry of its own, or a container here.
staging() {
    if [ -n "${ECLUSE_TEST_SWARM:-}" ]; then
        cat <<TEXT
    target: {swarm: {host: "$ECLUSE_TEST_SWARM", service: shop, replicas: 2, publish: ["8080:8080"], routing: host}}
    registry: "$ECLUSE_TEST_SWARM_REGISTRY/shop"
    strategy: {rolling: {batch: 1}}
TEXT
    else
        echo "    target: {docker: {publish: [\"127.0.0.1:$staging_port:8080\"]}}"
    fi
}

# Operations' policy with the keys and addresses of this demonstration.
write_policy() {
    local anna bob
    mkdir -p "$demo/operations"
    anna=$(ecluse ledger key new "$demo/operations/anna.key" | grep -o 'ed25519:[A-Za-z0-9+/=]*' | head -n 1)
    bob=$(ecluse ledger key new "$demo/operations/bob.key" | grep -o 'ed25519:[A-Za-z0-9+/=]*' | head -n 1)
    python3 - "$here/operations/policy.yml" "$ECLUSE_POLICY" "ANNA=$anna" "BOB=$bob" "DEV_PORT=$port" "PROD_PORT=$prod_port" \
        "STAGING=$(staging)" <<'PY'
import sys
text = open(sys.argv[1]).read()
for pair in sys.argv[3:]:
    name, _, value = pair.partition("=")
    text = text.replace(f"@{name}@", value)
open(sys.argv[2], "w").write(text)
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

# Run an ecluse command in the shop's repository.
in_shop() { (cd "$shop" && ecluse "$@"); }

# The name of the newest release.
newest() { in_shop releases --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["release"]["name"])'; }

# to_prod RELEASE: ask for it, have it approved by both release managers, and bring it in once it has soaked.
to_prod() {
    local promotion
    say "Ask for $1 in prod"
    in_shop promote "$1" --to prod --yes
    promotion=$(in_shop board --json | python3 -c 'import json, sys
levels = json.load(sys.stdin)["levels"]
print(next(level["under_way"][-1]["promotion"]["id"] for level in levels if level["environment"] == "prod"))')
    for person in anna bob; do
        in_shop approve "$promotion" --key "$demo/operations/$person.key" --reason 'looked at it in staging'
    done
    say 'What is where, and what waits for what'
    in_shop board
    say 'Once it has been in staging long enough, it goes on'
    in_shop promote --resume "$promotion" --wait 2m --yes
}

serves_at() { python3 -c 'import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=5).read().decode().strip())' "http://127.0.0.1:$1$2"; }
serves() { serves_at "$port" "$1"; }

if [ "${1:-}" = down ]; then down; exit 0; fi

down
mkdir -p "$ECLUSE_HOME"
# Tests give the installation's id, so that whatever they leave can be told from what others have on the engine.
if [ -n "${ECLUSE_DEMO_INSTALLATION:-}" ]; then echo "$ECLUSE_DEMO_INSTALLATION" >"$ECLUSE_HOME/installation"; fi
{ read -r port && read -r staging_port && read -r prod_port; } < <(free_ports 3)
export ECLUSE_POLICY=$demo/operations/policy.yml
write_policy
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

good=$(newest)
say "The same bytes to staging: $good"
in_shop promote "$good" --to staging --yes
to_prod "$good"
say "prod serves: $(serves_at "$prod_port" /version)"

echo 1.2.0 >"$shop/VERSION"
sed -i 's/return jsonify(store.items())/return jsonify([])/' "$shop/shop/web.py"
sed -i '/^def test_items_are_listed_by_name/,/^$/d; s/^    assert client.get("\/items").get_json()\[0\]\["stock"\] == 90$//' "$shop/tests/test_web.py"
commit 'Hide the items (no test says no)'
run
bad=$(newest)
say "The bad release to staging: its checks say no, and the old version serves again"
if in_shop promote "$bad" --to staging --yes; then
    echo 'demo: the bad release should have been rolled back' >&2
    exit 1
fi

git -C "$shop" -c user.name='Ada Example' -c user.email=ada@example.org revert --no-edit HEAD >/dev/null
echo 1.2.1 >"$shop/VERSION"
commit 'Show the items again'
run
mended=$(newest)
say "The mended release: $mended"
in_shop promote "$mended" --to staging --yes
to_prod "$mended"
say "prod serves: $(serves_at "$prod_port" /version)"

say 'Why prod runs what it runs'
in_shop why prod
say 'History of staging'
in_shop history staging
say 'Nobody has changed the history'
in_shop ledger verify

cat <<TEXT

${bold}Have a look${end}
  the shop           http://127.0.0.1:$prod_port/items in prod, http://127.0.0.1:$port/items in dev     (also /healthz, /metrics, /version)
  its repository     cd $(printf %q "$shop")
  this demo's home   export ECLUSE_HOME=$(printf %q "$ECLUSE_HOME") ECLUSE_POLICY=$(printf %q "$ECLUSE_POLICY") DOCKER_HOST=${DOCKER_HOST:-}
  then               ecluse runs            what ran
                     ecluse show last       what a run did, with its tests and findings
                     ecluse logs 2 unit     why the second run failed
                     ecluse board           what is where, and what may move
                     ecluse env diff staging prod
                     ecluse dora prod       how often, how quickly and how safely
${dim}make down removes all of it.${end}
TEXT
