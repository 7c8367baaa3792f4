#!/usr/bin/env bash
# Builds the fuzz targets with coverage on a stable compiler (no address sanitizer: the crates are
# forbid(unsafe_code)). The binaries take libFuzzer's options:
#
#     fuzz/build.sh && fuzz/target/x86_64-unknown-linux-gnu/release/quote -max_total_time=30 \
#         fuzz/corpus/quote tests/dcap/sgx tests/dcap/tdx
set -euo pipefail
cd "$(dirname "$0")"
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks"
# A target triple keeps the flags away from build scripts.
cargo build --release --target x86_64-unknown-linux-gnu "$@"
