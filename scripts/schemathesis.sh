#!/usr/bin/env bash
# Holds the running program against its own OpenAPI document: schemathesis makes up requests, signed and unsigned, and
# no answer may be a 5xx or one that the document does not list. Both are tried whatever the first finds; the exit code is
# 1 if either found something. Needs Python 3 with venv; installs the rest below target/.
#
#   scripts/schemathesis.sh [SEED]      HONGYAN_BIN: the program, by default target/debug/hongyan
set -eu
cd "$(dirname "$0")/.."
version=4.32.5
seed=${1:-20261124}
bin=${HONGYAN_BIN:-target/debug/hongyan}
venv=target/schemathesis
work=$(mktemp -d)
gateway=
trap 'test -z "$gateway" || kill "$gateway" 2>/dev/null || true; rm -rf "$work"' EXIT

if ! "$venv/bin/schemathesis" --version 2>/dev/null | grep -q "$version"; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version"
fi

# The demo is the whole gateway over a simulated WeChat; it says its address and a credential that may do everything.
"$bin" --json demo --listen 127.0.0.1:0 >"$work/demo" 2>"$work/log" &
gateway=$!
said() { "$venv/bin/python" - "$work/demo" "$1" <<'PY'
import json, sys
for line in open(sys.argv[1]):
    value = json.loads(line)
    if sys.argv[2] in value:
        print(value[sys.argv[2]])
        break
PY
}
for _ in $(seq 100); do
    url=$(said url)
    test -z "$url" || break
    kill -0 "$gateway" || { cat "$work/log"; exit 1; }
    sleep 0.1
done
test -n "$url" || { echo "the demo did not start within 10 s"; cat "$work/log"; exit 1; }
HONGYAN_CLIENT_ID=$(said client_id)
client_secret=$(said client_secret)
export HONGYAN_CLIENT_ID SCHEMATHESIS_HOOKS=schemathesis_hooks PYTHONPATH=scripts

check() {
    "$venv/bin/schemathesis" run "$url/openapi.json" --seed "$seed" --max-examples 100 --request-timeout 40 \
        --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
        --checks response_headers_conformance,unsupported_method,allow_header_conformance \
        --continue-on-failure --generation-database none "$@"
}
failed=()
echo "signed, seed $seed"
HONGYAN_CLIENT_SECRET=$client_secret check || failed+=(signed)
echo "unsigned, seed $seed"
HONGYAN_CLIENT_SECRET='' check --max-examples 25 || failed+=(unsigned)
kill -0 "$gateway" || { echo "the gateway ended meanwhile"; cat "$work/log"; exit 1; }
if test "${#failed[@]}" -gt 0; then
    echo "findings among the requests that were: ${failed[*]}; again with: scripts/schemathesis.sh $seed"
    exit 1
fi
echo "no findings, signed or unsigned"
