// Keys, copying, relative times, live states. Pages work without it; nothing here makes markup from text.
"use strict";
(() => {
  const told = text => { const to = document.getElementById("told"); if (to) to.textContent = text; };
  const copied = async button => {
    try { await navigator.clipboard.writeText(button.dataset.copy); } catch {
      const area = document.createElement("textarea"); area.value = button.dataset.copy;
      document.body.append(area); area.select(); document.execCommand("copy"); area.remove(); }
    button.classList.add("done"); told("Copied");
    setTimeout(() => button.classList.remove("done"), 1500);
  };
  document.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.copy !== undefined) copied(button);
    if (button.classList.contains("keys")) document.getElementById("keys").showModal();
  });

  // Keyboard: only where nobody types.
  let went = false;
  const entries = () => [...document.querySelectorAll("a.open")].filter(item => item.offsetParent !== null);
  const move = step => {
    const all = entries(), at = all.indexOf(document.activeElement);
    const next = all[Math.max(0, Math.min(all.length - 1, at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step))];
    if (next) { next.focus(); next.scrollIntoView({ block: "nearest" }); }
  };
  const places = { b: "/board", h: "/", l: "/ledger", s: "/system" };
  document.addEventListener("focusin", event => {
    document.querySelectorAll(".rows > .at, tr.at").forEach(row => row.classList.remove("at"));
    if (event.target.matches("a.open")) event.target.closest("li, tr")?.classList.add("at");
  });
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
    if (went && places[event.key]) { went = false; location.href = places[event.key]; return; }
    went = event.key === "g";
    if (event.key === "/") { event.preventDefault(); (document.getElementById("log-find") || document.getElementById("find"))?.focus(); }
    else if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "?") document.getElementById("keys").showModal();
  });

  // Relative times grow old by themselves.
  const ago = seconds => {
    const span = s => s < 3570 ? Math.max(Math.round(s / 60), 1) + " min" : s < 86400 ? Math.max(Math.round(s / 3600), 1) + " h"
      : s < 172800 ? "1 day" : Math.floor(s / 86400) + " days";
    if (seconds < -45) return "in " + span(-seconds);
    return seconds < 45 ? "just now" : seconds >= 86400 && seconds < 172800 ? "yesterday" : span(seconds) + " ago";
  };
  setInterval(() => document.querySelectorAll("main time[datetime]").forEach(item => {
    const seconds = (Date.now() - Date.parse(item.dateTime)) / 1000;
    if (Math.abs(seconds) < 30 * 86400 && !item.closest(".log")) { const text = ago(seconds); if (text !== item.textContent) item.textContent = text; }
  }), 20000);

  // Live: `data-live` names a stream. `stages` events move single stages; `changed` asks htmx for the page's parts again.
  const shapes = { succeeded: "●", running: "◐", waiting: "○", failed: "✕", warned: "▲" };
  const looks = Object.keys(shapes);
  const moveStage = ({ name, look, word, seconds }) => {
    document.querySelectorAll("[data-stage]").forEach(item => {
      if (item.dataset.stage !== name) return;
      item.querySelectorAll(".state, .glyph-of").forEach(part => { part.classList.remove(...looks); part.classList.add(look); });
      item.querySelectorAll(".shape, .glyph").forEach(part => { part.textContent = shapes[look]; });
      item.querySelectorAll(".word").forEach(part => { part.textContent = word; });
      item.querySelectorAll(".secs").forEach(part => { part.textContent = seconds; });
    });
  };
  // A stream that is cut says why: the page tells it, and changes no more. One that is only lost comes back: by itself,
  // or where the browser gave it up (a server that is away answers 502), by us, less and less often.
  const parting = {
    signed_out: ["You are signed out, so this page changes no more.", "Sign in", "/login?next=" + encodeURIComponent(location.pathname + location.search)],
    not_allowed: ["You may no longer look at this, so this page changes no more.", "All repositories", "/"] };
  document.addEventListener("cut", event => {
    const place = document.getElementById("cut"), [text, name, where] = parting[event.detail] || parting.signed_out;
    const link = document.createElement("a"); link.href = where; link.textContent = name;
    place.className = "note warned"; place.replaceChildren(text + " ", link); place.hidden = false;
  });
  let stream = null, tries = 0;
  const live = () => {
    const place = document.querySelector("[data-live]"), name = place && place.dataset.live;
    if (stream && stream.name === name) return;
    if (stream) { stream.source.close(); stream = null; }
    if (name) listen(name, false);
  };
  const listen = (name, late) => {
    const source = new EventSource(name), mine = { name, source };
    stream = mine;
    source.addEventListener("open", () => { tries = 0; if (late) document.body.dispatchEvent(new Event("live")); });
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) return;
      setTimeout(() => { if (stream === mine) listen(name, true); }, Math.min(60, 2 ** ++tries) * (500 + Math.random() * 1000));
    });
    source.addEventListener("stages", event => JSON.parse(event.data).forEach(moveStage));
    source.addEventListener("changed", () => document.body.dispatchEvent(new Event("live")));
    source.addEventListener("over", () => { source.close(); document.body.dispatchEvent(new Event("live")); });
    source.addEventListener("cut", event => { source.close(); document.dispatchEvent(new CustomEvent("cut", { detail: JSON.parse(event.data).why })); });
  };
  document.addEventListener("htmx:afterSettle", live);
  addEventListener("pagehide", () => stream && stream.source.close());
  live();
})();
