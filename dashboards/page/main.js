// SPDX-License-Identifier: Apache-2.0
// Chooses the page by the address's fragment, and keeps the number of open incidents.

import { json, listen, text } from "./api.js";
import * as wall from "./wall.js";
import * as stream from "./stream.js";
import * as inbox from "./inbox.js";
import * as system from "./system.js";

const main = document.getElementById("main");
const unseen = document.getElementById("unseen");
let leave = new AbortController();
const heard = new EventTarget();

function route() {
  const [, page, ...rest] = location.hash.split("/");
  if (page === "streams" && rest[0]) return ["wall", stream, decodeURIComponent(rest[0])];
  if (page === "incidents") return ["inbox", inbox];
  if (page === "system") return ["system", system];
  return ["wall", wall];
}

function show(first) {
  leave.abort();
  leave = new AbortController();
  const [name, page, argument] = route();
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.page === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  main.replaceChildren();
  page.show(main, { signal: leave.signal, heard, argument, changed: count });
  document.title = `${argument ?? { wall: "Streams", inbox: "Incidents", system: "System" }[name]} · Polygraph`;
  if (first === true) return;
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
}

async function count() {
  const open = await json("/api/v1/incidents?unacknowledged=true").catch(() => []);
  unseen.hidden = open.length === 0;
  text(unseen, String(open.length));
  unseen.setAttribute("aria-label", `${open.length} not acknowledged`);
}

function linked(now) {
  text(document.getElementById("link"), now ? "" : "The service does not answer; trying again");
}

addEventListener("hashchange", show);
show(true);
count();
listen("stream,incident", (kind, event) => {
  heard.dispatchEvent(new CustomEvent(kind, { detail: event }));
  if (kind === "incident") count();
}, linked, new AbortController().signal);
