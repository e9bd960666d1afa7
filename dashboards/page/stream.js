// SPDX-License-Identifier: Apache-2.0
// One stream: its picture, what is said, what happened on one time axis, its accounts.

import { call, clock, every, h, json, picture, span, text } from "./api.js";
import { draw } from "./axis.js";

const MOST_POINTS = 3000;

export function show(main, { signal, argument: id, heard }) {
  const path = `/api/v1/streams/${encodeURIComponent(id)}`;
  const state = h("span", { class: "state", role: "status" });
  const why = h("p", { class: "why" });
  const image = h("img", { alt: `Live picture of ${id}`, hidden: true });
  const frame = h("div", { class: "picture" }, image, h("span", { class: "none" }, "No picture yet"));
  const chips = h("p", { class: "chips" });
  const said = h("ol", { class: "transcript", tabindex: 0, "aria-label": "Transcript" });
  const range = h("select", { "aria-label": "Range" },
    ...[[60, "1 minute"], [120, "2 minutes"], [300, "5 minutes"], [600, "10 minutes"]].map(([value, name]) =>
      h("option", { value, selected: value === 120 }, name)));
  const axis = h("div", {});
  const facts = h("dl", {});
  const accounts = h("tbody", {});
  const faces = h("div", { class: "faces" });
  const remove = h("button", { class: "danger", onclick: removing }, "Remove");
  const timeline = { points: [], words: [], shots: [], scenes: [], texts: [], faults: [], states: [], faces: [] };
  const watched = { scenes: false, texts: false, faults: false };

  main.append(
    h("div", { class: "head" }, h("h1", {}, id), state, why, h("span", { class: "space" }), remove),
    h("div", { class: "split" },
      h("section", { class: "card" }, frame, h("div", { class: "pad" }, chips)),
      h("section", { class: "panel" }, h("h2", {}, "Transcript"), said)),
    h("section", { class: "panel", "aria-label": "Time axis" },
      h("div", { class: "head" }, h("h2", {}, "What happened"), h("span", { class: "space" }), h("label", {}, range)), axis),
    h("div", { class: "split", id: "more" },
      h("section", { class: "panel" }, h("h2", {}, "Stream"), facts),
      h("section", { class: "panel", tabindex: 0, "aria-label": "Analysers" }, h("h2", {}, "Analysers"),
        h("table", {}, h("thead", {}, h("tr", {}, ...["Analyser", "In", "Analysed", "Skipped", "Late"].map((name, n) =>
          h("th", { scope: "col", class: n ? "number" : "" }, name)))), accounts))),
    h("section", { class: "panel" }, h("h2", {}, "Evidence"), faces));

  async function refresh() {
    let stream;
    try {
      stream = await json(path);
    } catch (problem) {
      state.className = "state failed";
      text(state, "gone");
      text(why, problem.message);
      return;
    }
    state.className = `state ${stream.state}`;
    text(state, stream.state);
    text(why, stream.reason ?? `for ${span((Date.now() - stream.since_ms) / 1000)}`);
    frame.classList.toggle("away", stream.state !== "running");
    watched.scenes = stream.config.scenes;
    watched.texts = stream.config.screen_text;
    watched.faults = Boolean(stream.config.faults?.length);
    tell(facts, {
      "Source": stream.uri, "Picture": stream.video, "Sound": stream.audio, "Wall time by": stream.clock,
      "Epoch": stream.epoch, "Reconnections": stream.reconnects,
      "Faces searched": `${stream.analysis_fps.toFixed(1)} pictures a second${stream.analysis_fps < stream.config.analysis_fps ? ` of ${stream.config.analysis_fps}: the machine has too much to do` : ""}`,
      "Same picture for": stream.frozen_s > 5 ? span(stream.frozen_s) : null,
    });
    accounts.replaceChildren(...Object.entries(stream.counters).map(([name, account]) => {
      const skipped = Object.entries(account.skipped);
      const reasons = skipped.map(([reason, count]) => `${reason} ${count}`).join(", ");
      const cells = [account.input, account.analysed, skipped.reduce((sum, [, count]) => sum + count, 0), account.late];
      return h("tr", { title: reasons }, h("th", { scope: "row" }, name),
        ...cells.map((cell) => h("td", { class: "number" }, cell.toLocaleString("en"))));
    }));
  }

  async function follow() {
    const since = timeline.points.at(-1)?.at_ms ?? 0;
    const news = await json(`${path}/timeline?since_ms=${Math.max(0, since - 1)}`);
    const known = new Set(timeline.points.slice(-10).map((point) => point.at_ms));
    timeline.points.push(...news.points.filter((point) => !known.has(point.at_ms)));
    timeline.points.splice(0, timeline.points.length - MOST_POINTS);
    merge(timeline.words, news.words, (words) => `${words.at_ms}/${words.utterance}`);
    merge(timeline.shots, news.shots, (mark) => mark.at_ms);
    merge(timeline.scenes, news.scenes, (scene) => scene.at_ms);
    merge(timeline.texts, news.texts, (text) => text.line);
    timeline.faults = news.faults;
    merge(timeline.states, news.states, (mark) => `${mark.at_ms}${mark.what}`);
    timeline.faces = news.faces;
    paint();
  }

  function paint() {
    axis.replaceChildren(draw(timeline, axis.clientWidth || 800, Number(range.value), Date.now(), watched));
    const last = timeline.points.at(-1);
    const fresh = last && Date.now() - last.at_ms < 10000;
    const list = [];
    if (fresh) {
      list.push(h("span", { class: "chip" }, `${last.faces} ${last.faces === 1 ? "face" : "faces"}`));
      if (last.signs) list.push(h("span", { class: "chip bad" }, "signs of manipulation found"));
      else if (last.manipulation != null) list.push(h("span", { class: "chip" }, `manipulation ${last.manipulation.toFixed(2)}: no signs found`));
      if (last.fused?.verdict) list.push(h("span", { class: "chip" }, `verdict: ${last.fused.verdict.replaceAll("_", " ")}`));
      const scene = timeline.scenes.at(-1);
      if (scene && last.at_ms - scene.until_ms < 2000) {
        const labels = [scene.label === "none" ? null : scene.label.replaceAll("_", " "), scene.place, ...scene.more].filter(Boolean);
        if (labels.length) list.push(h("span", { class: "chip" }, labels.join(", ")));
      }
      if (last.speech != null) list.push(h("span", { class: "chip" }, last.speech > 0.5 ? "speech" : "no speech"));
      if (last.loudness != null) list.push(h("span", { class: "chip" }, `${last.loudness.toFixed(0)} LUFS`));
    }
    for (const fault of timeline.faults.filter((fault) => fault.until_ms == null)) {
      list.push(h("span", { class: "chip bad" }, `fault: ${fault.what.replaceAll("_", " ")}`));
    }
    chips.replaceChildren(...list);
    const atEnd = said.scrollHeight - said.scrollTop - said.clientHeight < 40;
    said.replaceChildren(...timeline.words.filter((words) => words.text).map((words) =>
      h("li", { class: words.is_final ? "" : "partial" }, h("time", { class: "soft small" }, clock(words.at_ms)), h("span", {}, ...marked(words)))));
    if (!said.children.length) said.append(h("li", {}, h("span", {}), h("span", { class: "soft" }, "Nothing was said yet.")));
    if (atEnd) said.scrollTop = said.scrollHeight;
  }

  async function evidence() {
    const names = (await json(`${path}/evidence`)).slice(0, 12);
    if (!names.length) return faces.replaceChildren(h("p", { class: "soft small" }, "No pictures of faces are kept."));
    for (const name of names) {
      if (faces.querySelector(`[data-name="${name}"]`)) continue;
      const face = h("img", { alt: `Blurred face, ${name}`, "data-name": name, hidden: true });
      faces.querySelector("p")?.remove();
      faces.append(face);
      picture(face, `${path}/evidence/${name}`);
    }
  }

  async function removing() {
    if (!confirm(`Stop ${id} and remove it?`)) return;
    await call(path, { method: "DELETE" });
    location.hash = "#/";
  }

  range.addEventListener("change", paint);
  addEventListener("resize", paint, { signal });
  heard.addEventListener("stream", () => refresh().catch(() => {}), { signal });
  every(2000, refresh, signal);
  every(1000, follow, signal);
  every(1500, async () => { if (await picture(image, `${path}/thumbnail`)) frame.querySelector(".none").hidden = true; }, signal);
  every(10000, evidence, signal);
}

function merge(own, news, key) {
  const index = new Map(own.map((item, n) => [key(item), n]));
  for (const item of news) {
    if (index.has(key(item))) own[index.get(key(item))] = item;
    else own.push(item);
  }
  own.splice(0, own.length - 300);
}

// Words that were read from lips are marked.
function marked(words) {
  if (!words.from_lips.length) return [words.text];
  return words.text.split(" ").flatMap((word, n) =>
    [words.from_lips.includes(n) ? h("b", { class: "lips", title: "read from lips" }, word) : word, " "]);
}

function tell(list, facts) {
  list.replaceChildren(...Object.entries(facts).filter(([, fact]) => fact != null && fact !== "").flatMap(([name, fact]) =>
    [h("dt", {}, name), h("dd", {}, String(fact))]));
}
