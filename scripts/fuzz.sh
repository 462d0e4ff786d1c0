#!/usr/bin/env bash
# Runs every fuzz target on its seeds, each for FUZZ_SECONDS (60). A finding ends it with an exit code other than 0; the
# input is then below fuzz/artifacts/. Needs a nightly toolchain (rustup toolchain install nightly --profile minimal) and a
# C++ compiler; installs cargo-fuzz if it is missing.
#
#   scripts/fuzz.sh [TARGET]…           FUZZ_TOOLCHAIN: nightly by default
set -eu
cd "$(dirname "$0")/.."
version=0.13.2
seconds=${FUZZ_SECONDS:-60}
toolchain=${FUZZ_TOOLCHAIN:-nightly}

if ! cargo "+$toolchain" --version >/dev/null 2>&1; then
    echo "the fuzz targets need the toolchain $toolchain: rustup toolchain install $toolchain --profile minimal"
    exit 1
fi
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "cargo-fuzz is missing: installing version $version into cargo's bin folder (some minutes, once)"
    cargo "+$toolchain" install cargo-fuzz --locked --version "$version"
fi
test $# -gt 0 || set -- $(cargo "+$toolchain" fuzz list)
cargo "+$toolchain" fuzz build
failed=()
for target in "$@"; do
    echo "fuzzing $target for $seconds s"
    mkdir -p "fuzz/corpus/$target"
    # What it learns goes to the corpus, which is nobody's to keep; the seeds are read alone.
    cargo "+$toolchain" fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -max_total_time="$seconds" -print_final_stats=1 || failed+=("$target")
done
if test "${#failed[@]}" -gt 0; then
    echo "findings in: ${failed[*]}"
    exit 1
fi
echo "no findings in: $*"
