#!/usr/bin/env bash
# Checks licences, sources and bans of the dependencies. Needs cargo-deny, and installs it if it is missing.
# Advisories want another network than the package registry, so they are checked where there is one: `cargo deny check`.
set -eu
cd "$(dirname "$0")/.."
version=0.20.2
if ! cargo deny --version >/dev/null 2>&1; then
    echo "cargo-deny is missing: installing version $version into cargo's bin folder (some minutes, once)"
    cargo install cargo-deny --locked --version "$version"
fi
# It reads the manifests of every platform's dependencies, and only those of this one are there after a build.
cargo fetch --locked --quiet
exec cargo deny --offline --log-level error check bans licenses sources
