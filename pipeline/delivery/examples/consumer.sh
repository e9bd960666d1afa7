#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A consumer that sees each event once, for a quick look: consumer.sh BROKERS TOPIC prints what is in a topic, and ends at
# its end. It remembers every id, so it isn't for a service. Needs kcat.
#
# A repeat has the same id, and of two workers that tell of the same stretch of a stream the one with the higher generation
# is right.
set -euo pipefail
(($# == 2)) || { echo "consumer.sh BROKERS TOPIC" >&2 && exit 2; }
kcat -C -q -e -o beginning -b "$1" -t "$2" -f '%k\t%h\t%s\n' | awk -F '\t' '
  function header(name,   parts, n, i) {
    n = split($2, parts, ",")
    for (i = 1; i <= n; i++) if (index(parts[i], name "=") == 1) return substr(parts[i], length(name) + 2)
  }
  {
    id = header("ce_id"); generation = header("generation") + 0; stream = $1
    if (id in seen) next
    seen[id]
    at = match($3, /"wall_ns":[0-9]+/) ? substr($3, RSTART + 10, RLENGTH - 10) + 0 : 0
    if (!((stream, generation) in begins) || at < begins[stream, generation]) begins[stream, generation] = at
    if (generation > highest[stream]) highest[stream] = generation
    # What a worker found before another took over is right, even when it comes late.
    for (other = generation + 1; other <= highest[stream]; other++)
      if ((stream, other) in begins && begins[stream, other] <= at) next
    print id
  }'
