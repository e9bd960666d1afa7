# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The Rust toolchain, the build, and the networks that the built command fetches. Sourced by ./dev.

readonly RUST_MINOR=92 # Cargo.toml's rust-version is 1.92

check_cargo() {
  # rustup changes only login shells' PATH.
  command -v cargo >/dev/null || [[ ! -x "$HOME/.cargo/bin/cargo" ]] || PATH="$HOME/.cargo/bin:$PATH"
  if ! cargo_is_new_enough && command -v rustup >/dev/null; then
    say "updating Rust through rustup"
    rustup toolchain install stable --profile minimal --component rustfmt --component clippy && rustup default stable
  fi
  cargo_is_new_enough ||
    die "cargo 1.$RUST_MINOR or newer is missing: install it as https://rustup.rs says (Debian 13 and Ubuntu 24.04: apt-get install rustup && rustup default stable) and run again"
}

cargo_is_new_enough() {
  local minor
  minor="$(cargo --version 2>/dev/null | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p')" || return 1
  [[ -n "$minor" ]] && ((minor >= RUST_MINOR))
}

# build_release [tests]
build_release() {
  local -a quiet=(--quiet) targets=()
  # Cargo gives crates that both have other features when a build has tests: one build of all is half of two.
  [[ "${1:-}" != tests ]] || targets=(--lib --bins --tests --examples)
  if [[ ! -x target/release/polygraph ]]; then
    quiet=() # a first build takes long enough to want to see it move
    say "building (a first build takes 10 minutes or so on two cores)"
    cargo fetch --locked || die "the crates could not be downloaded: is the network there? Then run again"
  fi
  cargo build --release --locked --workspace "${targets[@]}" "${quiet[@]}" || die "the build failed (see above)"
}

# ONNX Runtime and the networks, pinned by their cards: does nothing when they are there.
fetch_networks() {
  target/release/polygraph models fetch ||
    die "the networks could not be fetched (see above): with the network there, run again"
}
