#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Composes the demo's two-minute programme, 720p25 H.264 with AAC 5.1 sound, from media that packages carry:
#
#     0 to  20 s  a street scene, twice, the second time mirrored; a low hum, nobody speaks
#    20 to  66 s  a portrait under a slow zoom, spoken words over it (the opening of "A Tale of Two Cities")
#    66 to  99 s  a music video with many cuts
#    99 to 120 s  a cartoon with its 5.1 sound
#
# usage: compose.sh OUT.mp4   (media from $POLYGRAPH_HOME/media; a programme made by this very script is kept)
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
media="${POLYGRAPH_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/polygraph}/media"
out="${1:?usage: compose.sh OUT.mp4}"

key="$(cat "${BASH_SOURCE[0]}" "$here/../../deploy/setup/media.sha256" | sha256sum)"
if [[ -f "$out" && -f "$out.key" && "$(cat "$out.key")" == "$key" ]]; then exit 0; fi

echo "composing $out from the media in $media" >&2
mkdir -p "$(dirname "$out")"
# The zoom works on a picture twice the size, or its whole-pixel steps would be seen as jitter.
# Bit-exact flags: the same media and ffmpeg give the same file.
stats=-nostats
[[ -t 2 ]] && stats=-stats
ffmpeg -nostdin -v error "$stats" -y \
  -stream_loop 1 -i "$media/bikes.mp4" \
  -i "$media/astronaut.png" -i "$media/two_cities.wav" \
  -ss 30 -t 33 -i "$media/test.mp4" \
  -stream_loop 3 -i "$media/bigbuckbunny.mp4" \
  -filter_complex "
    [0:v]fps=25,scale=1280:-2,pad=1280:720:0:(oh-ih)/2,hflip=enable='gte(t,10)',setsar=1,trim=duration=20,setpts=PTS-STARTPTS[v0];
    anoisesrc=colour=brown:amplitude=0.02:seed=1:sample_rate=48000:duration=20,aformat=channel_layouts=5.1[a0];
    [1:v]scale=2560:2560:flags=lanczos,crop=2560:1440:0:0,zoompan=z='1+0.0002*on':x='iw*0.44*(1-1/zoom)':y='ih*0.4*(1-1/zoom)':d=1150:s=1280x720:fps=25,setsar=1,trim=duration=46,setpts=PTS-STARTPTS[v1];
    [2:a]aresample=48000,aformat=channel_layouts=5.1,adelay=500:all=1,apad=whole_dur=46,atrim=duration=46[a1];
    [3:v]fps=25,scale=1280:720:flags=bicubic,setsar=1,trim=duration=33,setpts=PTS-STARTPTS[v2];
    [3:a]aresample=48000,aformat=channel_layouts=5.1,apad=whole_dur=33,atrim=duration=33[a2];
    [4:v]fps=25,setsar=1,trim=duration=21,setpts=PTS-STARTPTS[v3];
    [4:a]aresample=48000,aformat=channel_layouts=5.1,apad=whole_dur=21,atrim=duration=21[a3];
    [v0][a0][v1][a1][v2][a2][v3][a3]concat=n=4:v=1:a=1[v][a]" \
  -map '[v]' -map '[a]' -map_metadata -1 \
  -pix_fmt yuv420p -c:v libx264 -preset veryfast -crf 21 -g 50 -c:a aac -b:a 384k \
  -fflags +bitexact -flags:v +bitexact -flags:a +bitexact -movflags +faststart \
  "$out.part.mp4"
mv "$out.part.mp4" "$out"
printf '%s\n' "$key" >"$out.key"
