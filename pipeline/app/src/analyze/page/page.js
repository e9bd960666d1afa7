// SPDX-License-Identifier: Apache-2.0
// Draws the plots of report.html with uPlot; all else on the page is markup already.
"use strict";
(() => {
  if (typeof uPlot === "undefined") return;
  const data = JSON.parse(document.getElementById("data").textContent);
  const { time, columns, incidents, tracks, shots } = data;
  if (time.length === 0) return;
  const box = document.getElementById("plots");
  box.hidden = false;

  const SHADE = { high: "#b3261e2e", medium: "#e0701a2e", low: "#59636e22" };
  const LANE = { signs_found: "#b3261e", none_found: "#2e7d4f", not_judged: "#9aa3ac", not_calibrated: "#9aa3ac" };
  const first = time[0], last = Math.max(time[time.length - 1], first + 1);
  const clock = (s) => {
    const whole = Math.floor(s / 60), rest = s - 60 * whole;
    return whole + ":" + (rest < 10 ? "0" : "") + (Number.isInteger(rest) ? rest : rest.toFixed(1));
  };

  // All plots show the same stretch of time.
  const plots = [];
  let busy = false;
  const show = (min, max) => {
    if (busy) return;
    busy = true;
    min = Math.max(first, min); max = Math.min(last, Math.max(max, min + 0.5));
    for (const plot of plots) plot.setScale("x", { min, max });
    busy = false;
  };
  const follow = (plot, key) => { if (key === "x") show(plot.scales.x.min, plot.scales.x.max); };

  // Incidents and cuts lie under the lines.
  const under = (plot) => {
    const { ctx, bbox } = plot, x = (s) => plot.valToPos(s, "x", true);
    ctx.save();
    ctx.beginPath(); ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height); ctx.clip();
    for (const [start, end, severity] of incidents) {
      ctx.fillStyle = SHADE[severity];
      ctx.fillRect(x(start), bbox.top, Math.max(3, x(end) - x(start)), bbox.height);
    }
    ctx.fillStyle = "#8b949e66";
    const inView = shots.filter((s) => s >= plot.scales.x.min && s <= plot.scales.x.max);
    if (inView.length < bbox.width / 4) for (const s of inView) ctx.fillRect(x(s), bbox.top, 1, bbox.height);
    ctx.restore();
  };

  const value = (digits) => (_, v) => (v == null ? "–" : v.toFixed(digits));
  const line = (label, stroke, more) => ({ label, stroke, width: 1.5, value: value(2), points: { show: false }, ...more });
  const known = (name) => columns[name].some((v) => v !== null);
  const common = (height) => ({
    width: box.clientWidth, height,
    scales: { x: { time: false, min: first, max: last } },
    cursor: { sync: { key: "time" }, drag: { x: true, y: false }, bind: { dblclick: (plot) => () => { show(first, last); return null; } } },
    hooks: { drawClear: [under], setScale: [follow] },
  });
  const seconds = { label: "time", value: (_, v) => (v == null ? "–" : clock(v)) };
  const xAxis = { values: (_, ticks) => ticks.map(clock), grid: { stroke: "#eef1f4" }, space: 70, size: 32 };

  const SIGNS = [
    ["fused", line("all senses", "#1b1f24", { width: 2.5 })],
    ["picture", line("picture", "#d55e00")],
    ["mismatch", line("lips against sound", "#0072b2")],
    ["voice", line("voice (experimental)", "#cc79a7", { dash: [6, 4] })],
  ].filter(([name]) => known(name));
  const axes = (more) => [xAxis, { grid: { stroke: "#eef1f4" }, size: 52 }, ...more];
  const signs = common(260);
  signs.scales.y = { range: [0, 1] };
  signs.series = [seconds, ...SIGNS.map(([, series]) => series)];
  signs.axes = axes([]);
  plots.push(new uPlot(signs, [time, ...SIGNS.map(([name]) => columns[name])], document.getElementById("plot-signs")));

  const sound = common(170);
  sound.scales.y = { range: [0, 1] };
  sound.scales.lufs = { range: [-60, 0] };
  sound.series = [seconds, line("speech", "#009e73", { fill: "#009e7322" }),
    line("loudness, LUFS", "#6b5b95", { scale: "lufs", value: value(1) })];
  sound.axes = axes([{ side: 1, scale: "lufs", grid: { show: false }, size: 46 }]);
  const floor = columns.loudness.map((v) => (v === null ? null : Math.max(v, -60)));
  if (known("speech") || known("loudness")) {
    plots.push(new uPlot(sound, [time, columns.speech, floor], document.getElementById("plot-sound")));
  } else document.getElementById("plot-sound").textContent = "There is no sound.";

  // Tracks that don't overlap share a lane.
  const lanes = [];
  const placed = tracks.map(([track, from, to, verdict]) => {
    let lane = lanes.findIndex((end) => end + 0.2 < from);
    if (lane < 0) lane = lanes.push(0) - 1;
    lanes[lane] = to;
    return { track, from, to, verdict, lane };
  });
  const ROW = 20, rows = Math.max(1, Math.min(lanes.length, 16));
  const bars = (plot) => {
    const { ctx, bbox } = plot, x = (s) => plot.valToPos(s, "x", true), row = bbox.height / rows, scale = devicePixelRatio;
    ctx.save();
    ctx.beginPath(); ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height); ctx.clip();
    ctx.font = 11 * scale + "px sans-serif"; ctx.textBaseline = "middle";
    for (const { track, from, to, verdict, lane } of placed) {
      if (lane >= rows || to < plot.scales.x.min || from > plot.scales.x.max) continue;
      const top = bbox.top + lane * row, left = x(from), width = Math.max(3, x(to) - left);
      ctx.fillStyle = LANE[verdict] || "#9aa3ac";
      ctx.fillRect(left, top + 0.15 * row, width, 0.7 * row);
      if (width > 22 * scale) { ctx.fillStyle = "#fff"; ctx.fillText(track, Math.max(left, bbox.left) + 5 * scale, top + row / 2); }
    }
    ctx.restore();
  };
  if (tracks.length) {
    const faces = common(rows * ROW + 44);
    faces.scales.y = { range: [0, 1] };
    faces.series = [seconds, { label: "faces", value: value(0), paths: () => null, points: { show: false }, scale: "n" }];
    faces.scales.n = { range: [0, 1] };
    faces.axes = axes([]);
    faces.axes[1] = { show: true, size: 52, values: () => [], ticks: { show: false }, grid: { show: false }, scale: "n" };
    faces.hooks.draw = [bars];
    plots.push(new uPlot(faces, [time, columns.faces], document.getElementById("plot-faces")));
  } else document.getElementById("plot-faces").textContent = "No face was seen.";

  document.getElementById("all").onclick = () => show(first, last);
  document.getElementById("out").onclick = () => {
    const { min, max } = plots[0].scales.x, more = (max - min) / 2;
    show(min - more, max + more);
  };
  document.addEventListener("click", (event) => {
    const at = event.target.closest && event.target.closest(".at");
    if (!at) return;
    const s = Number(at.dataset.t);
    show(s - 5, s + 5);
    document.getElementById("timeline").scrollIntoView({ behavior: "smooth" });
  });
  let width = box.clientWidth;
  addEventListener("resize", () => {
    if (box.clientWidth === width) return;
    width = box.clientWidth;
    for (const plot of plots) plot.setSize({ width, height: plot.height });
  });
  document.documentElement.dataset.plots = plots.length;
  document.documentElement.dataset.ready = Math.round(performance.now());
})();
