#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A release that others can check: ./dev release writes to dist/ an archive of the command and the elements, their SBOM
# (CycloneDX) and SHA-256 sums. Both carry the list of their crates inside (cargo auditable), for `cargo audit bin` and scanners.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. deploy/setup/common.sh

main() {
  local version name stage sources
  ask_for_tools
  # An archive is of a commit, not of what lies about.
  [[ -z "$(git status --porcelain)" ]] || die "there are changes that are not committed: commit them, so that the archive has a name"
  version="$(cargo metadata --format-version 1 --no-deps --locked | python3 -c \
    'import json, sys; print(next(p["version"] for p in json.load(sys.stdin)["packages"] if p["name"] == "polygraph"))')"
  name="polygraph-$version-$(uname -m)-linux-gnu"
  SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)"
  export SOURCE_DATE_EPOCH
  say "licences, bans and sources"
  cargo deny --log-level error check licenses bans sources
  say "building $name"
  # Paths of this machine in panics' texts would make every build another one.
  RUSTFLAGS="--remap-path-prefix=$PWD=polygraph --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo" CARGO_TARGET_DIR=target/dist \
    cargo auditable build --release --locked --package polygraph --package gst-plugin-polygraph
  stage="dist/$name"
  rm -rf dist && mkdir -p "$stage/bin" "$stage/lib/gstreamer-1.0" "$stage/share/doc/polygraph"
  install -s -m 755 target/dist/release/polygraph "$stage/bin/"
  install -s -m 644 target/dist/release/libgstpolygraph.so "$stage/lib/gstreamer-1.0/"
  install -m 644 LICENSE README.md CHANGELOG.md "$stage/share/doc/polygraph/"
  install -m 644 models/weights/LICENSE.md "$stage/share/doc/polygraph/LICENSE.weights.md"
  write_sbom "$stage/share/doc/polygraph/sbom.cdx.json"
  for sources in "$stage/bin/polygraph" "$stage/lib/gstreamer-1.0/libgstpolygraph.so"; do
    objdump --section-headers "$sources" | grep --quiet '\.dep-v0' || die "$sources lost the list of its crates"
  done
  pack "$name"
  say "dist/$name.tar.gz; its SBOM beside it, sums in dist/SHA256SUMS"
}

ask_for_tools() {
  local tool
  for tool in auditable cyclonedx deny; do
    cargo "$tool" --version >/dev/null 2>&1 ||
      die "cargo-$tool is missing: cargo install --locked cargo-auditable cargo-cyclonedx cargo-deny"
  done
}

# cargo-cyclonedx writes beside each crate's manifest; the command's is the one of all that is linked.
write_sbom() {
  cargo cyclonedx --format json --target x86_64-unknown-linux-gnu --override-filename release-sbom --quiet
  mv pipeline/app/release-sbom.json "$1"
  find . -path ./target -prune -o -name release-sbom.json -exec rm {} +
}

# The same bytes for the same files: names in order, times of the commit, nobody's names.
pack() {
  tar --directory dist --create --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" "$1" |
    gzip --no-name --best >"dist/$1.tar.gz"
  cp "dist/$1/share/doc/polygraph/sbom.cdx.json" "dist/$1.cdx.json"
  rm -r "dist/${1:?}"
  (cd dist && sha256sum -- *.tar.gz *.cdx.json >SHA256SUMS)
}

main "$@"
