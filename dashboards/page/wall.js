// SPDX-License-Identifier: Apache-2.0
// All streams, with a small live picture and the state of each.

import { every, h, json, picture, span, text } from "./api.js";

const cards = new Map();

export function show(main, { signal, heard }) {
  cards.clear();
  const list = h("ul", { class: "wall" });
  const sum = h("p", { class: "soft", role: "status" });
  const empty = h("p", { class: "empty", hidden: true }, "No streams yet. Add one: a camera, a file, or test://ball.");
  const add = h("button", { class: "primary", onclick: () => adding(refresh) }, "Add stream");
  main.append(h("div", { class: "head" }, h("h1", {}, "Streams"), sum, h("span", { class: "space" }), add), list, empty);

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      entry.target.inView = entry.isIntersecting;
      // Its turn among the others may be seconds away.
      if (entry.isIntersecting) look(cards.get(entry.target.dataset.stream));
    }
  }, { rootMargin: "100px" });
  signal.addEventListener("abort", () => seen.disconnect());

  async function refresh() {
    const streams = await json("/api/v1/streams");
    const running = streams.filter((stream) => stream.state === "running").length;
    text(sum, streams.length ? `${running} of ${streams.length} running` : "");
    empty.hidden = streams.length > 0;
    const ids = new Set(streams.map((stream) => stream.id));
    for (const [id, card] of cards) if (!ids.has(id)) { card.item.remove(); cards.delete(id); }
    for (const stream of streams) {
      if (!cards.has(stream.id)) {
        const card = make(stream);
        cards.set(stream.id, card);
        seen.observe(card.item);
        list.append(card.item);
      }
      update(cards.get(stream.id), stream);
    }
  }

  async function look(card) {
    if (card?.running && await picture(card.image, `/api/v1/streams/${encodeURIComponent(card.id)}/thumbnail`)) card.none.hidden = true;
  }

  async function pictures() {
    await Promise.all([...cards.values()].filter((card) => card.item.inView).map(look));
  }

  heard.addEventListener("stream", () => refresh().catch(() => {}), { signal });
  every(3000, refresh, signal);
  every(2500, pictures, signal);
}

function make(stream) {
  const image = h("img", { alt: "", hidden: true });
  const none = h("span", { class: "none" }, "No picture yet");
  const frame = h("div", { class: "picture" }, image, none);
  const state = h("span", { class: "state" });
  const why = h("p", { class: "why" });
  const link = h("a", { href: `#/streams/${encodeURIComponent(stream.id)}` }, frame,
    h("div", { class: "pad" }, h("p", { class: "row" }, h("span", { class: "name" }, stream.id), state), why));
  return { id: stream.id, item: h("li", { class: "card", "data-stream": stream.id }, link), image, none, frame, state, why };
}

function update(card, stream) {
  card.running = stream.state === "running" || stream.state === "stalled";
  card.state.className = `state ${stream.state}`;
  text(card.state, stream.state);
  card.frame.classList.toggle("away", stream.state !== "running");
  const since = (Date.now() - stream.since_ms) / 1000;
  text(card.why, stream.reason ?? [stream.video?.split(",")[0] ?? "sound only", `for ${span(since)}`].join(" · "));
  if (stream.state !== "running" && card.image.hidden) text(card.none, "No picture");
}

function adding(done) {
  const error = h("p", { class: "error", role: "alert" });
  const field = (name, label, attributes = {}) =>
    h("label", {}, label, h("input", { type: "text", name, required: true, autocomplete: "off", ...attributes }));
  const form = h("form", {},
    h("h2", { id: "adding" }, "Add stream"),
    field("id", "Name", { pattern: "[\\w.\\-]{1,64}", placeholder: "camera-7" }),
    field("uri", "URI", { placeholder: "rtsp://camera-7.example/live" }),
    h("label", { class: "check" }, h("input", { type: "checkbox", name: "loop" }), "Show a file again and again"),
    error,
    h("p", { class: "actions" },
      h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
      h("button", { class: "primary" }, "Add")));
  const dialog = h("dialog", { "aria-labelledby": "adding" }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const data = new FormData(form);
    const body = { id: data.get("id").trim(), uri: data.get("uri").trim(), loop: data.has("loop") };
    try {
      await json("/api/v1/streams", { method: "POST", body });
      dialog.close();
      await done();
    } catch (problem) {
      text(error, problem.message);
    }
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
