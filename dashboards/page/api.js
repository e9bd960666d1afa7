// SPDX-License-Identifier: Apache-2.0
// The API, and the few helpers that all pages share. The token lives in this tab only.

let token = sessionStorage.getItem("token") ?? "";
let asking = null;

function headers(more = {}) {
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

// Asks for a token; whoever asks meanwhile waits for the same answer.
function ask() {
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById("login");
    const field = document.getElementById("token");
    dialog.addEventListener("close", () => {
      token = field.value.trim();
      sessionStorage.setItem("token", token);
      field.value = "";
      asking = null;
      resolve();
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

export class Problem extends Error {}

export async function call(path, { method = "GET", body, signal } = {}) {
  const init = { method, signal, headers: headers(body === undefined ? {} : { "Content-Type": "application/json" }) };
  if (body !== undefined) init.body = JSON.stringify(body);
  const response = await fetch(path, init);
  if (response.status === 401) {
    await ask();
    return call(path, { method, body, signal });
  }
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new Problem(problem.detail ?? `${response.status} ${response.statusText}`);
  }
  return response;
}

export const json = async (path, init) => {
  const response = await call(path, init);
  return response.status === 204 ? null : response.json();
};

// Puts a picture of the API into an <img>; false when there is none.
export async function picture(image, path) {
  try {
    const blob = await (await call(path)).blob();
    const url = URL.createObjectURL(blob);
    await new Promise((done) => { image.onload = image.onerror = done; image.src = url; });
    if (image.dataset.url) URL.revokeObjectURL(image.dataset.url);
    image.dataset.url = url;
    image.hidden = false;
    return true;
  } catch {
    return false;
  }
}

// The event stream. EventSource can't send a token, so it is read by hand. Comes back by itself, after the last id.
export async function listen(kinds, told, linked, signal) {
  let last = null;
  while (!signal.aborted) {
    try {
      const after = last ? `&after=${encodeURIComponent(last)}` : "";
      const response = await call(`/api/v1/events?kinds=${kinds}${after}`, { signal });
      linked(true);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const parts = (rest + value).split("\n\n");
        rest = parts.pop();
        for (const part of parts) {
          const field = (name) => part.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
          last = field("id") ?? last;
          const data = field("data");
          if (data && field("event") !== "missed") told(field("event"), JSON.parse(data));
        }
      }
    } catch (error) {
      if (signal.aborted) return;
    }
    linked(false);
    await new Promise((done) => setTimeout(done, 2000));
  }
}

// An element: h("li", { class: "x", onclick }, "text", child).
export function h(name, attributes = {}, ...children) {
  const [kind, ns] = name.startsWith("svg:") ? [name.slice(4), "http://www.w3.org/2000/svg"] : [name, null];
  const element = ns ? document.createElementNS(ns, kind) : document.createElement(kind);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

// Changes a text only when it is another, so that screen readers aren't disturbed.
export function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

export const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour12: false });

export function span(seconds) {
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (count >= 1000 && unit < units.length - 1) { count /= 1000; unit += 1; }
  return `${count < 10 && unit ? count.toFixed(1) : Math.round(count)} ${units[unit]}`;
}

// Calls again and again while the page is looked at, and never twice at once.
export function every(ms, call, signal) {
  let timer;
  const turn = async () => {
    if (document.visibilityState === "visible") await call().catch(() => {});
    if (!signal.aborted) timer = setTimeout(turn, ms);
  };
  signal.addEventListener("abort", () => clearTimeout(timer));
  turn();
}
