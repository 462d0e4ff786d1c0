#!/usr/bin/env bash
# Runs a WeChat SDK, as it comes from its registry, against a gateway's compatible door. The tests call it; it installs what
# it needs below $PEERS once. Needs Python 3 with venv, and Node.js with npm: as root on Debian, or whoever may become root
# without a password, it installs those too. Exit code 77: they are missing, and only somebody else can install them.
#
#   scripts/peers.sh install                    both, before the tests need them
#   scripts/peers.sh wechatpy|co-wechat-api     PEER_BASE, PEER_APPID, PEER_SECRET, PEER_TEMPLATE, PEER_GOOD, PEER_REFUSED
set -eu
here=$(cd "$(dirname "$0")" && pwd)/peers
peers=${PEERS:-${CARGO_TARGET_DIR:-$here/../../target}/tmp/peers}
mkdir -p "$peers"

# need COMMAND PACKAGE…: brings the packages if the command fails, or says that they are missing.
need() {
    local check=$1
    shift
    if ! eval "$check" >/dev/null 2>&1; then
        local as_root=()
        test "$(id -u)" = 0 || as_root=(sudo -n)
        if command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null; then
            echo "installing $* for the SDK tests" >&2
            (
                flock 9
                "${as_root[@]}" apt-get update -qq
                "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
                    install -qq -y --no-install-recommends "$@"
            ) 9>"$peers/apt.lock" >&2 || true
        else
            missing=77
        fi
        if ! eval "$check" >/dev/null 2>&1; then
            echo "the SDK tests need $*: install them, on Debian with apt-get install $*" >&2
            exit "${missing:-1}"
        fi
    fi
}

# once FOLDER COMMAND…: runs a command that fills a folder, unless it was done before with the same list of packages.
once() {
    local folder=$1 stamp
    stamp=$(cat "$here"/requirements.txt "$here"/package-lock.json | cksum)
    shift
    (
        flock 9
        if test "$(cat "$folder.done" 2>/dev/null)" != "$stamp"; then
            rm -rf "$folder"
            if ! "$@" >&2; then
                echo "the SDK tests cannot fetch $(basename "$folder") from its registry: is there a network?" >&2
                exit 1
            fi
            echo "$stamp" >"$folder.done"
        fi
    ) 9>"$folder.lock"
}

install_wechatpy() {
    python3 -m venv "$peers/wechatpy" &&
        "$peers/wechatpy/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
}

install_co_wechat_api() {
    mkdir -p "$peers/co-wechat-api" &&
        cp "$here/package.json" "$here/package-lock.json" "$peers/co-wechat-api" &&
        npm ci --silent --no-audit --no-fund --prefix "$peers/co-wechat-api"
}

wechatpy() {
    need 'python3 -c "import venv, ensurepip"' python3 python3-venv
    once "$peers/wechatpy" install_wechatpy
}

co_wechat_api() {
    need 'node --version && npm --version' nodejs npm
    once "$peers/co-wechat-api" install_co_wechat_api
}

case ${1:-} in
install)
    wechatpy
    co_wechat_api
    ;;
wechatpy)
    wechatpy
    exec "$peers/wechatpy/bin/python" -W ignore "$here/wechatpy_peer.py"
    ;;
co-wechat-api)
    co_wechat_api
    NODE_PATH="$peers/co-wechat-api/node_modules" exec node "$here/co_wechat_api_peer.js"
    ;;
*)
    echo "usage: scripts/peers.sh install|wechatpy|co-wechat-api" >&2
    exit 2
    ;;
esac
