// SPDX-License-Identifier: Apache-2.0
// One time axis: scores, speech, words, cuts and states of a stream, one lane each.

import { clock, h } from "./api.js";

const LEFT = 104;
const RIGHT = 12;
const LANES = [["manipulation", "Manipulation", 74], ["speech", "Speech", 44], ["loudness", "Loudness", 40], ["words", "Words", 40], ["shots", "Cuts", 24], ["states", "State", 18]];
const GAP = 12;
const STEPS = [5, 10, 15, 30, 60, 120, 300];
// A line is broken where pictures lie further apart.
const HOLE_MS = 2500;

export function draw(timeline, width, seconds, now) {
  const from = now - seconds * 1000;
  const inner = Math.max(120, width - LEFT - RIGHT);
  const x = (ms) => LEFT + Math.max(0, Math.min(1, (ms - from) / (now - from))) * inner;
  const points = timeline.points.filter((point) => point.at_ms >= from);
  let top = 8;
  const lanes = {};
  const shapes = [];
  for (const [name, title, height] of LANES) {
    lanes[name] = { top, height, y: (value) => top0(name) + (1 - value) * height };
    shapes.push(h("svg:text", { class: "lane", x: 0, y: top + height / 2 + 4 }, title));
    shapes.push(h("svg:line", { class: "grid", x1: LEFT, x2: LEFT + inner, y1: top + height, y2: top + height }));
    top += height + GAP;
  }
  function top0(name) { return lanes[name].top; }

  lines(points, (point) => point.manipulation, lanes.manipulation, x, "score", shapes);
  for (const point of points.filter((point) => point.signs)) {
    shapes.push(h("svg:circle", { class: "dot", cx: x(point.at_ms), cy: lanes.manipulation.y(point.manipulation ?? 1), r: 3.5 }));
  }
  for (const half of [0.5, 1]) {
    const y = lanes.manipulation.y(half);
    shapes.push(h("svg:line", { class: "grid", x1: LEFT, x2: LEFT + inner, y1: y, y2: y, "stroke-dasharray": "2 4" }));
  }
  const bar = Math.max(1.5, inner / (seconds * 5));
  for (const point of points.filter((point) => point.speech > 0.05)) {
    const lane = lanes.speech;
    const y = lane.y(point.speech);
    shapes.push(h("svg:rect", { class: "speech", x: x(point.at_ms), y, width: bar, height: lane.top + lane.height - y }));
  }
  // From -60 to 0 LUFS.
  lines(points, (point) => point.loudness == null ? null : Math.max(0, Math.min(1, 1 + point.loudness / 60)), lanes.loudness, x, "loud", shapes);
  words(timeline.words, lanes.words, x, from, shapes);
  for (const shot of timeline.shots.filter((shot) => shot.at_ms >= from)) {
    const at = x(shot.at_ms);
    shapes.push(h("svg:line", { class: "cut", x1: at, x2: at, y1: lanes.shots.top, y2: lanes.shots.top + lanes.shots.height }));
  }
  states(timeline.states, lanes.states, x, from, now, shapes);

  const step = STEPS.find((step) => inner / (seconds / step) > 70) ?? 600;
  for (let at = Math.ceil(from / 1000 / step) * step * 1000; at <= now; at += step * 1000) {
    shapes.push(h("svg:line", { class: "grid", x1: x(at), x2: x(at), y1: 4, y2: top - GAP, opacity: 0.5 }));
    if (x(at) < LEFT + inner - 20) shapes.push(h("svg:text", { x: x(at), y: top + 6, "text-anchor": "middle" }, clock(at)));
  }
  const height = top + 12;
  return h("svg:svg", { class: "axis", viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": described(points, timeline, seconds) }, ...shapes);
}

function lines(points, value, lane, x, name, shapes) {
  let path = "";
  let last = -Infinity;
  for (const point of points) {
    const own = value(point);
    if (own == null) { last = -Infinity; continue; }
    path += `${point.at_ms - last > HOLE_MS ? "M" : "L"}${x(point.at_ms).toFixed(1)} ${lane.y(own).toFixed(1)}`;
    last = point.at_ms;
  }
  if (path) shapes.push(h("svg:path", { class: name, d: path }));
}

function words(all, lane, x, from, shapes) {
  for (const said of all.filter((said) => said.at_ms + said.lasted_ms >= from && said.text)) {
    const [left, right] = [x(said.at_ms), x(said.at_ms + said.lasted_ms)];
    const width = Math.max(3, right - left);
    shapes.push(h("svg:rect", { class: said.is_final ? "words" : "words partial", x: left, y: lane.top, width, height: lane.height, rx: 4 },
      h("svg:title", {}, said.text)));
    const room = Math.floor((width - 8) / 6.6);
    const line = said.text.length > room ? `${said.text.slice(0, Math.max(0, room - 1))}…` : said.text;
    if (room > 3) shapes.push(h("svg:text", { class: "word", x: left + 4, y: lane.top + lane.height / 2 + 4 }, line));
  }
}

function states(all, lane, x, from, now, shapes) {
  all.forEach((mark, index) => {
    const until = all[index + 1]?.at_ms ?? now;
    if (until < from) return;
    const left = x(mark.at_ms);
    shapes.push(h("svg:rect", { class: `s-${mark.what}`, x: left, y: lane.top, width: Math.max(1, x(until) - left), height: lane.height, rx: 2 },
      h("svg:title", {}, [mark.what, mark.why].filter(Boolean).join(": "))));
  });
}

// The same in words, for those who can't see it.
function described(points, timeline, seconds) {
  const scores = points.map((point) => point.manipulation).filter((p) => p != null);
  const parts = [`The last ${seconds} seconds`, `${points.length} analysed pictures`];
  if (scores.length) parts.push(`highest probability of manipulation ${Math.max(...scores).toFixed(2)}`);
  parts.push(`${timeline.shots.length} cuts`, `state ${timeline.states.at(-1)?.what ?? "unknown"}`);
  return parts.join(", ");
}
