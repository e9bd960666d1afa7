// SPDX-License-Identifier: Apache-2.0
// One time axis: scores, speech, words, shots, scenes, text on screen, faults and states of a stream, one lane each.

import { clock, h } from "./api.js";

const LEFT = 104;
const RIGHT = 12;
const GAP = 12;
const STEPS = [5, 10, 15, 30, 60, 120, 300];
// A line is broken where pictures lie further apart.
const HOLE_MS = 2500;
// Each kind of fault has a row of its own, for several may last at once.
const FAULT_ROW = 17;
// Lines of text stand one above the other; of more than so many at once the others are told in words only.
const TEXT_ROW = 17;
const MOST_TEXT_ROWS = 4;
// About a letter's width, in pixels.
const LETTER = 6.6;

// `watched` says which of `scenes`, `texts` and `faults` somebody looks for: a lane that stays empty for want of looking would
// say that nothing was found.
export function draw(timeline, width, seconds, now, watched) {
  const from = now - seconds * 1000;
  const inner = Math.max(120, width - LEFT - RIGHT);
  const x = (ms) => LEFT + Math.max(0, Math.min(1, (ms - from) / (now - from))) * inner;
  const points = timeline.points.filter((point) => point.at_ms >= from);
  const faulty = timeline.faults.filter((fault) => (fault.until_ms ?? now) >= from);
  const kinds = [...new Set(faulty.map((fault) => fault.what))].sort();
  const shapes = [];
  const shown = inRows(timeline.texts.filter((line) => line.until_ms >= from));
  const { lanes, bottom } = laid({ ...watched, rows: Math.max(1, kinds.length), textRows: Math.max(1, shown.rows) }, inner, shapes);

  scores(points, lanes, x, inner, seconds, shapes);
  words(timeline.words, lanes.words, x, from, shapes);
  shots(timeline.shots, lanes.shots, x, from, shapes);
  if (lanes.scenes) scenes(timeline.scenes, lanes.scenes, x, from, shapes);
  if (lanes.texts) texts(shown.lines, lanes.texts, x, shapes);
  if (lanes.faults) faults(faulty, kinds, lanes.faults, x, now, shapes);
  states(timeline.states, lanes.states, x, from, now, shapes);
  times(x, from, now, seconds, inner, bottom, shapes);
  const height = bottom + GAP + 12;
  return h("svg:svg", { class: "axis", viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": described(points, timeline, faulty, from, seconds, watched) }, ...shapes);
}

function laid({ scenes, texts, textRows, faults, rows }, inner, shapes) {
  const wanted = [["manipulation", "Manipulation", 74], ["speech", "Speech", 44], ["loudness", "Loudness", 40],
    ["words", "Words", 40], ["shots", "Shots", 20], scenes && ["scenes", "Scene", 22],
    texts && ["texts", "Text", textRows * TEXT_ROW],
    faults && ["faults", "Faults", rows * FAULT_ROW], ["states", "State", 18]].filter(Boolean);
  const lanes = {};
  let top = 8;
  for (const [name, title, height] of wanted) {
    const own = top;
    lanes[name] = { top, height, y: (value) => own + (1 - value) * height };
    shapes.push(h("svg:text", { class: "lane", x: 0, y: top + height / 2 + 4 }, title));
    shapes.push(h("svg:line", { class: "grid", x1: LEFT, x2: LEFT + inner, y1: top + height, y2: top + height }));
    top += height + GAP;
  }
  return { lanes, bottom: top - GAP };
}

function scores(points, lanes, x, inner, seconds, shapes) {
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
}

function times(x, from, now, seconds, inner, bottom, shapes) {
  const step = STEPS.find((step) => inner / (seconds / step) > 70) ?? 600;
  for (let at = Math.ceil(from / 1000 / step) * step * 1000; at <= now; at += step * 1000) {
    shapes.push(h("svg:line", { class: "grid", x1: x(at), x2: x(at), y1: 4, y2: bottom, opacity: 0.5 }));
    if (x(at) < LEFT + inner - 20) shapes.push(h("svg:text", { x: x(at), y: bottom + GAP + 6, "text-anchor": "middle" }, clock(at)));
  }
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
    const read = said.from_lips.length ? ` (read from lips: ${said.from_lips.map((n) => said.text.split(" ")[n]).join(", ")})` : "";
    shapes.push(h("svg:rect", { class: said.is_final ? "words" : "words partial", x: left, y: lane.top, width, height: lane.height, rx: 4 },
      h("svg:title", {}, said.text + read)));
    for (const word of said.lips_at.filter((word) => word.until_ms >= from)) {
      shapes.push(h("svg:rect", { class: "lips", x: x(word.at_ms), y: lane.top + lane.height - 4,
        width: Math.max(2, x(word.until_ms) - x(word.at_ms)), height: 4 }, h("svg:title", {}, "read from lips")));
    }
    const parts = fitting(said, Math.floor((width - 8) / LETTER));
    if (parts) shapes.push(h("svg:text", { class: "word", x: left + 4, y: lane.top + lane.height / 2 + 4 }, ...parts));
  }
}

// As many words as there is room for, those that were read from lips marked; null where there is none.
function fitting(said, room) {
  if (room <= 3) return null;
  const cut = said.text.length > room ? room - 1 : Infinity;
  let at = 0;
  const parts = said.text.split(" ").map((word, n) => {
    const shown = word.slice(0, Math.max(0, cut - at));
    at += word.length + 1;
    return shown && (said.from_lips.includes(n) ? h("svg:tspan", { class: "lips" }, shown) : shown);
  }).filter(Boolean);
  return [...parts.flatMap((part, n) => n ? [" ", part] : [part]), cut === Infinity ? "" : "…"];
}

// A cut is a line; a transition is as long as it takes.
function shots(all, lane, x, from, shapes) {
  for (const shot of all.filter((shot) => shot.at_ms >= from)) {
    const [left, at] = [x(shot.from_ms), x(shot.at_ms)];
    const title = h("svg:title", {}, `${shot.what}, ${clock(shot.at_ms)}`);
    if (at - left > 2) shapes.push(h("svg:rect", { class: "fade", x: left, y: lane.top + 4, width: at - left, height: lane.height - 8 }));
    shapes.push(h("svg:line", { class: `cut ${shot.what}`, x1: at, x2: at, y1: lane.top, y2: lane.top + lane.height }, title));
  }
}

function scenes(all, lane, x, from, shapes) {
  all.filter((scene) => scene.until_ms >= from).forEach((scene) => {
    const known = [scene.label === "none" ? null : scene.label.replaceAll("_", " "), scene.place, ...scene.more].filter(Boolean);
    const name = known.join(", ") || "no known scene";
    const kind = known.length ? "scene" : "scene none";
    block(lane.top, lane.height, x(scene.at_ms), x(scene.until_ms), kind, name, `${name} (${Math.round(100 * scene.p)} %)`, shapes);
  });
}

// Each line in the first row that is free at its time.
function inRows(all) {
  const ends = [];
  const lines = [];
  for (const line of all) {
    let row = ends.findIndex((end) => end < line.at_ms);
    if (row < 0) row = ends.length;
    if (row >= MOST_TEXT_ROWS) continue;
    ends[row] = line.until_ms;
    lines.push({ ...line, row });
  }
  return { lines, rows: ends.length };
}

function texts(lines, lane, x, shapes) {
  for (const { text, at_ms, until_ms, row } of lines) {
    block(lane.top + row * TEXT_ROW, TEXT_ROW - 2, x(at_ms), x(until_ms), "scene", text, `${text} (${clock(at_ms)} to ${clock(until_ms)})`, shapes);
  }
}

function faults(all, kinds, lane, x, now, shapes) {
  kinds.forEach((what, row) => {
    const own = all.filter((fault) => fault.what === what);
    const [name, top] = [what.replaceAll("_", " "), lane.top + row * FAULT_ROW];
    for (const fault of own) {
      const until = fault.until_ms == null ? "lasts" : `until ${clock(fault.until_ms)}`;
      const kind = `fault ${fault.severity}${fault.until_ms == null ? " open" : ""}`;
      block(top, FAULT_ROW - 2, x(fault.at_ms), x(fault.until_ms ?? now), kind, "",
        `${name}: ${fault.message}; from ${clock(fault.at_ms)}, ${until}`, shapes);
    }
    // The row's name once, at its last one: inside where there is room, else beside, where nothing else is.
    const [left, right] = [x(own.at(-1).at_ms), x(own.at(-1).until_ms ?? now)];
    const width = name.length * LETTER + 8;
    const inside = right - left >= width || left - LEFT < width;
    shapes.push(h("svg:text", { class: "word", x: inside ? left + 4 : left - 4, y: top + FAULT_ROW / 2 + 3,
      "text-anchor": inside ? "start" : "end" }, name));
  });
}

// A stretch with its name inside, as far as there is room.
function block(top, height, left, right, kind, name, title, shapes) {
  const width = Math.max(3, right - left);
  shapes.push(h("svg:rect", { class: kind, x: left, y: top, width, height, rx: 3 }, h("svg:title", {}, title)));
  const room = Math.floor((width - 8) / LETTER);
  if (room < 3) return;
  const line = name.length > room ? `${name.slice(0, room - 1)}…` : name;
  shapes.push(h("svg:text", { class: "word", x: left + 4, y: top + height / 2 + 4 }, line));
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
function described(points, timeline, faulty, from, seconds, watched) {
  const scores = points.map((point) => point.manipulation).filter((p) => p != null);
  const parts = [`The last ${seconds} seconds`, `${points.length} analysed pictures`];
  if (scores.length) parts.push(`highest probability of manipulation ${Math.max(...scores).toFixed(2)}`);
  parts.push(`${timeline.shots.filter((shot) => shot.at_ms >= from).length} shot boundaries`);
  const scene = watched.scenes && timeline.scenes.at(-1);
  if (scene) parts.push(`scene ${[scene.label, scene.place, ...scene.more].filter(Boolean).join(" ")}`);
  const lines = timeline.texts.filter((line) => line.until_ms >= from).map((line) => line.text);
  if (watched.texts) parts.push(lines.length ? `text on screen: ${lines.slice(-MOST_TEXT_ROWS).join("; ")}` : "no text on screen");
  if (watched.faults) parts.push(faulty.length ? faulty.map((fault) => `fault ${fault.what.replaceAll("_", " ")}${fault.until_ms == null ? ", which lasts" : ""}`).join(", ") : "no faults");
  parts.push(`state ${timeline.states.at(-1)?.what ?? "unknown"}`);
  return parts.join(", ");
}
