// SPDX-License-Identifier: Apache-2.0
// Incidents: seen, acknowledged and commented on, by mouse or by keyboard.

import { every, h, json, picture, text } from "./api.js";

export function show(main, { signal, heard, changed }) {
  const list = h("ol", { class: "inbox", "aria-label": "Incidents" });
  const empty = h("p", { class: "empty", hidden: true }, "No incidents.");
  const only = h("input", { type: "checkbox", onchange: () => refresh() });
  main.append(
    h("div", { class: "head" }, h("h1", {}, "Incidents"), h("label", { class: "check" }, only, "not acknowledged only"),
      h("span", { class: "space" }),
      h("p", { class: "soft small" }, h("kbd", {}, "j"), " ", h("kbd", {}, "k"), " move  ", h("kbd", {}, "a"), " acknowledge  ",
        h("kbd", {}, "c"), " comment  ", h("kbd", {}, "Enter"), " stream")),
    list, empty);
  let current = null;
  let incidents = [];
  const faces = new Map();

  async function refresh() {
    incidents = await json(`/api/v1/incidents?unacknowledged=${only.checked}`);
    empty.hidden = incidents.length > 0;
    if (!incidents.some((incident) => incident.incident === current)) current = incidents[0]?.incident ?? null;
    list.replaceChildren(...incidents.map(item));
  }

  function item(incident) {
    const { data } = incident;
    const seen = incident.acknowledged;
    const when = new Date(incident.opened).toLocaleString([], { hour12: false });
    const p = data.p == null ? null : `p ${Number(data.p).toFixed(2)}`;
    const label = [data.rule ?? data.kind, p, incident.state === "close" ? "closed" : "open"].filter(Boolean).join(" · ");
    return h("li", { class: `${data.severity ?? ""} ${seen ? "seen" : ""}`, "data-incident": incident.incident,
      "aria-current": incident.incident === current ? "true" : null, onclick: () => choose(incident.incident) },
      h("p", { class: "row" }, h("span", { class: "name" }, data.message ?? data.kind ?? "Incident"), h("span", { class: "soft small" }, when)),
      h("p", { class: "small soft" }, h("a", { href: `#/streams/${encodeURIComponent(incident.stream)}` }, incident.stream), ` · ${label}`),
      face(incident),
      ...incident.comments.map((note) => h("p", { class: "small" }, `${note.by}: ${note.text}`)),
      h("p", { class: "actions" },
        seen ? h("span", { class: "soft small" }, `acknowledged by ${seen.by}`) : h("button", { onclick: () => acknowledge(incident.incident) }, "Acknowledge"),
        h("button", { onclick: () => comment(incident.incident) }, "Comment")));
  }

  // The blurred face, where one is kept.
  function face(incident) {
    if (!incident.picture) return null;
    const known = faces.get(incident.incident);
    if (known?.naturalWidth) return known;
    const image = known ?? h("img", { class: "face", alt: "The face, blurred, and a map of where it looks manipulated", hidden: true });
    faces.set(incident.incident, image);
    picture(image, incident.picture);
    return image;
  }

  function choose(id) {
    current = id;
    for (const entry of list.children) {
      if (entry.dataset.incident === id) { entry.setAttribute("aria-current", "true"); entry.scrollIntoView({ block: "nearest" }); }
      else entry.removeAttribute("aria-current");
    }
  }

  async function acknowledge(id) {
    await json(`/api/v1/incidents/${encodeURIComponent(id)}/acknowledge`, { method: "POST" });
    await refresh();
    changed();
  }

  function comment(id) {
    const error = h("p", { class: "error", role: "alert" });
    const field = h("textarea", { rows: 3, maxlength: 2000, required: true });
    const form = h("form", {}, h("h2", { id: "commenting" }, "Comment"), h("label", {}, "What is to be said ", field), error,
      h("p", { class: "actions" }, h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), h("button", { class: "primary" }, "Say")));
    const dialog = h("dialog", { "aria-labelledby": "commenting" }, form);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        await json(`/api/v1/incidents/${encodeURIComponent(id)}/comments`, { method: "POST", body: { text: field.value } });
        dialog.close();
        await refresh();
      } catch (problem) {
        text(error, problem.message);
      }
    });
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, dialog")) return;
    const at = incidents.findIndex((incident) => incident.incident === current);
    const move = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
    if (move && incidents[at + move]) choose(incidents[at + move].incident);
    else if (event.key === "a" && current) acknowledge(current);
    else if (event.key === "c" && current) comment(current);
    else if (event.key === "Enter" && current && event.target === document.body) location.hash = `#/streams/${encodeURIComponent(incidents[at].stream)}`;
    else return;
    event.preventDefault();
  }, { signal });
  heard.addEventListener("incident", () => refresh().catch(() => {}), { signal });
  every(15000, refresh, signal);
}
