# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Debian 13 in a folder, for what needs its GStreamer 1.26: the feature v1_24. Sourced by ./dev.

# Elements and command with GstAnalytics, built and tested on Debian 13. The end-to-end tests are not run there.
test_on_trixie() {
  [[ "$(id -u)" == 0 ]] || die "--trixie makes a root of its own and mounts into it: run as root"
  check_cargo
  set_up tests
  local root="$POLYGRAPH_HOME/trixie" packages
  command -v debootstrap >/dev/null || apt_install debootstrap || die "apt could not install debootstrap (see above)"
  if [[ ! -e "$root/made" ]]; then
    say "making a Debian 13 in $root (half a gigabyte to download, three to keep)"
    rm -rf "$root"
    debootstrap --variant=minbase trixie "$root" >"$root.log" 2>&1 ||
      die "debootstrap failed: tail $root.log"
    touch "$root/made"
  fi
  # GstAnalytics is among the bad plug-ins.
  packages="$(needed_packages && echo libgstreamer-plugins-bad1.0-dev)"
  say "building and testing with the feature v1_24 on Debian 13"
  # The mounts end with the namespace, whatever becomes of us.
  TRIXIE="$root" PACKAGES="$packages" unshare --mount --propagation private \
    bash -euo pipefail -c "$(declare -f in_trixie); in_trixie"
}

# Within a mount namespace of our own.
in_trixie() {
  local cargo="${CARGO_HOME:-$HOME/.cargo}" rustup="${RUSTUP_HOME:-$HOME/.rustup}" pair
  for pair in "$PWD:/src" "$cargo:/cargo" "$rustup:/rustup" "$POLYGRAPH_HOME:/polygraph" /dev:/dev /proc:/proc /sys:/sys; do
    mkdir -p "$TRIXIE${pair#*:}"
    mount --rbind "${pair%%:*}" "$TRIXIE${pair#*:}"
  done
  cp --dereference /etc/resolv.conf "$TRIXIE/etc/resolv.conf"
  export CARGO_HOME=/cargo RUSTUP_HOME=/rustup POLYGRAPH_HOME=/polygraph CARGO_TARGET_DIR=/src/target/trixie
  export PATH=/cargo/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2016 # its variables are the inner shell's
  chroot "$TRIXIE" bash -euo pipefail -c '
    mapfile -t packages <<<"$PACKAGES"
    if ! dpkg --status "${packages[@]}" >/dev/null 2>&1; then
      apt-get update --quiet=2 && apt-get install --yes --quiet=2 --no-install-recommends "${packages[@]}" >/dev/null
    fi
    cd /src
    gst-launch-1.0 --version | sed -n 2p
    cargo test --release --locked --package gst-plugin-polygraph --package polygraph \
      --features gst-plugin-polygraph/v1_24,polygraph/v1_24 --no-fail-fast'
}
