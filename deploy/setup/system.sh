# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# System packages, by apt: only what dpkg doesn't have yet. Sourced by ./dev.

readonly BUILD_PACKAGES=(
  build-essential pkg-config cmake
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
  libgstrtspserver-1.0-dev          # the tests' camera; the workspace is built as a whole
  libssl-dev zlib1g-dev libzstd-dev # librdkafka is built from source with these
  libcurl4-openssl-dev              # by which its OAUTHBEARER code fetches tokens
)
readonly RUN_PACKAGES=(
  gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
  gstreamer1.0-plugins-ugly gstreamer1.0-libav
  glib-networking     # TLS for RTSP and HTTP
  python3 python3-pip # pip brings ONNX Runtime, networks and media
  ffmpeg              # composes the demo's programme and the tests' clips
)
readonly TEST_PACKAGES=(
  kcat             # the independent Kafka client
  openssl          # certificates of the tests' cameras
  maven            # fetches the Kafka broker; brings a Java
  shellcheck
  fonts-dejavu-core # captions that tests read
  python3-venv     # the Python that drives the browser
)
readonly BENCH_PACKAGES=(python3-venv)

# needed_packages [tests|bench]: names, one a line.
needed_packages() {
  printf '%s\n' "${BUILD_PACKAGES[@]}" "${RUN_PACKAGES[@]}"
  # Distributions' npm drags in hundreds of packages, so any npm that is there will do.
  command -v npm >/dev/null || echo npm
  case "${1:-}" in
    tests)
      printf '%s\n' "${TEST_PACKAGES[@]}"
      has_browser || ! browser_is_packaged || echo chromium
      java_is_new_enough || echo default-jre-headless
      ;;
    bench) printf '%s\n' "${BENCH_PACKAGES[@]}" ;;
  esac
}

# A Chromium for the tests of the pages.
has_browser() {
  command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null
}

# Ubuntu's package only asks snap for one, which needs a running system.
browser_is_packaged() {
  ! grep -q '^ID=ubuntu' /etc/os-release
}

# Kafka 4 runs on Java 17 and later.
java_is_new_enough() {
  local version
  version="$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)" || return 1
  [[ -n "$version" ]] && ((version >= 17))
}

# install_packages [tests|bench]
install_packages() {
  local -a needed missing
  mapfile -t needed < <(needed_packages "$@")
  mapfile -t missing < <(not_installed "${needed[@]}")
  ((${#missing[@]} == 0)) && return 0

  command -v apt-get >/dev/null ||
    die "this set-up knows Debian 12 and 13 and Ubuntu 24.04 (apt-get); elsewhere install the like of: ${missing[*]}"
  [[ "$(id -u)" == 0 ]] || command -v sudo >/dev/null ||
    die "system packages are missing and there is no sudo: run as root: apt-get install ${missing[*]}"
  say "installing ${#missing[@]} system packages: ${missing[*]}"
  { as_root apt-get update --quiet && apt_install "${missing[@]}"; } ||
    die "apt could not install the system packages (see above); with the network there, run again, or as root: apt-get install ${missing[*]}"
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"
}

# not_installed NAME...: those that dpkg doesn't have installed.
not_installed() {
  local installed
  # dpkg-query fails when it doesn't know one of the names; what it does know is still printed.
  installed="$(dpkg-query --show --showformat='${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii *//p' || true)"
  comm -23 <(printf '%s\n' "$@" | sort -u) <(printf '%s\n' "$installed" | sort -u)
}
