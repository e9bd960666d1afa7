// SPDX-License-Identifier: Apache-2.0
// How the service is: load, networks and what runs them, the store, Kafka.

import { bytes, every, h, json, span } from "./api.js";

export function show(main, { signal }) {
  const panels = h("div", {});
  main.append(h("div", { class: "head" }, h("h1", {}, "System")), panels);
  every(3000, async () => {
    const system = await json("/api/v1/system");
    panels.replaceChildren(
      h("div", { class: "split" }, machine(system), store(system)),
      h("div", { class: "split" }, networks(system), h("div", {}, kafka(system), workers(system))));
  }, signal);
}

function panel(title, facts) {
  const entries = Object.entries(facts).filter(([, fact]) => fact != null);
  return h("section", { class: "panel" }, h("h2", {}, title),
    h("dl", {}, ...entries.flatMap(([name, fact]) => [h("dt", {}, name), h("dd", {}, String(fact))])));
}

function machine(system) {
  return panel("Machine", {
    "Version": system.version,
    "Load": `${system.load.map((load) => load.toFixed(1)).join("  ")} on ${system.cores} cores`,
    "Memory": system.memory_bytes == null ? null : bytes(system.memory_bytes),
    "Networks run on": system.provider,
    "Fell back": system.fell_back,
  });
}

function store({ store }) {
  return panel("Event store", {
    "On disk": bytes(store.bytes), "Written": store.written.toLocaleString("en"), "Waiting": store.waiting,
    "Dropped": store.dropped, "Failed": store.failed,
  });
}

function kafka({ kafka }) {
  if (!kafka) return panel("Kafka", { "Kafka": "not configured; events are in the store" });
  const sum = (reasons) => Object.values(reasons).reduce((all, count) => all + count, 0);
  return panel("Kafka", {
    "Acknowledged": kafka.acknowledged.toLocaleString("en"), "In the spool": `${kafka.spooled} (${bytes(kafka.spool_bytes)})`,
    "Oldest": kafka.oldest_s ? span(kafka.oldest_s) : "none waits", "Dropped": sum(kafka.dropped),
    "Dead letters": sum(kafka.dead_lettered), "Last error": kafka.last_error,
  });
}

// With --processes only.
function workers({ workers }) {
  if (!workers) return "";
  return panel("Worker processes", Object.fromEntries(workers.map((worker, n) => {
    const streams = `${worker.streams.length} ${worker.streams.length === 1 ? "stream" : "streams"}`;
    const restarts = worker.restarts ? `, restarted ${worker.restarts} times` : "";
    return [`Worker ${n + 1}`, `${worker.pid ? `process ${worker.pid}` : "starting"}, ${streams}${restarts}`];
  })));
}

function networks(system) {
  const row = (network) => h("tr", {}, h("th", { scope: "row" }, network.network),
    h("td", {}, network.asked === network.actual ? network.actual : `${network.actual} (${network.asked})`),
    h("td", { class: "number" }, (system.runs[network.network] ?? 0).toLocaleString("en")));
  return h("section", { class: "panel", tabindex: 0, "aria-label": "Networks" }, h("h2", {}, "Networks"),
    h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Network"), h("th", { scope: "col" }, "Runs on (asked)"),
      h("th", { scope: "col", class: "number" }, "Runs"))), h("tbody", {}, ...system.networks.map(row))));
}
