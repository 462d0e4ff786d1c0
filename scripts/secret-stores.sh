#!/usr/bin/env bash
# Installs the servers that the long tests of secret sources run against: an AWS-compatible KMS (moto, from PyPI) and a
# Nacos-compatible server (rnacos, from the crate registry; some minutes, once). Needs Python 3 with venv.
set -eu
cd "$(dirname "$0")/.."
place=${CARGO_TARGET_DIR:-target}/secret-stores
moto=5.2.1
rnacos=0.8.8
if ! "$place/venv/bin/python" -c "import importlib.metadata as m; assert m.version('moto') == '$moto'" 2>/dev/null; then
    python3 -m venv "$place/venv" || { echo "python3 with venv is needed (on Debian: apt install python3-venv)"; exit 1; }
    "$place/venv/bin/pip" install --quiet --disable-pip-version-check "moto[server]==$moto"
fi
if ! grep -q "^\"rnacos $rnacos " "$place/.crates.toml" 2>/dev/null; then
    echo "rnacos is missing: building version $rnacos into $place (some minutes, once)"
    CARGO_TARGET_DIR=$place/build CARGO_PROFILE_DEV_DEBUG=0 \
        "${CARGO:-cargo}" install rnacos --locked --debug --version "$rnacos" --root "$place"
    rm -rf "$place/build"
fi
