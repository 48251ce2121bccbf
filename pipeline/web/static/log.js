// A log of any length: only what is seen is in the page. Text is put there as text, never as markup.
"use strict";
(() => {
  const log = document.getElementById("log");
  if (!log) return;
  const list = log.querySelector("ol"), HIGH = 20, CHUNK = 500, SPARE = 40;
  const $ = id => document.getElementById(id);
  let total = +log.dataset.total, ended = log.dataset.ended === "yes";
  const chunks = new Map(), asked = new Set();   // chunk number -> lines; what is on its way
  let commands = [], folded = new Set();         // [line, text]; first lines of folded commands
  let hits = [], hit = -1, hitSet = new Set(), marked = 0, following = !ended && !location.hash;
  const url = (what, more) => `${log.dataset.source}/${what}?${log.dataset.of}&${more}`;
  const ask = async (what, more) => { const answer = await fetch(url(what, more), { headers: { Accept: "application/json" } }); if (!answer.ok) throw new Error(answer.status); return answer.json(); };

  // Lines: chunk n has lines n*CHUNK+1 to (n+1)*CHUNK.
  const keep = (first, lines) => lines.forEach((line, at) => {
    const number = first + at, chunk = Math.floor((number - 1) / CHUNK);
    if (!chunks.has(chunk)) { if (chunks.size > 60) chunks.delete(chunks.keys().next().value); chunks.set(chunk, []); }
    chunks.get(chunk)[(number - 1) % CHUNK] = line;
  });
  const line = number => (chunks.get(Math.floor((number - 1) / CHUNK)) || [])[(number - 1) % CHUNK];
  const fetchChunk = async chunk => {
    if (asked.has(chunk)) return;
    asked.add(chunk);
    try {
      const got = await ask("lines", `first=${chunk * CHUNK + 1}&last=${(chunk + 1) * CHUNK}`);
      keep(got.first, got.lines); total = Math.max(total, got.total); draw();
    } catch { say("The log cannot be read now."); } finally { asked.delete(chunk); }
  };

  // Rows: what folding leaves. `spans` are [first row, first line, how many lines], in order.
  let spans = [[0, 1, total]], rows = total;
  const reckon = () => {
    spans = []; rows = 0;
    let at = 1;
    const take = until => { if (until >= at) { spans.push([rows, at, until - at + 1]); rows += until - at + 1; } };
    commands.forEach(([first], index) => {
      if (!folded.has(first)) return;
      take(first); at = index + 1 < commands.length ? commands[index + 1][0] : total + 1;
    });
    take(total);
  };
  const find = (value, key) => { let low = 0, high = spans.length - 1; while (low < high) { const middle = (low + high + 1) >> 1; if (spans[middle][key] <= value) low = middle; else high = middle - 1; } return spans[low] || [0, 1, 0]; };
  const lineOf = row => { const span = find(row, 0); return span[1] + row - span[0]; };
  const rowOf = number => { const span = find(number, 1); return span[0] + Math.min(number - span[1], span[2] - 1); };

  const made = (tag, name, text) => { const item = document.createElement(tag); if (name) item.className = name; if (text !== undefined) item.textContent = text; return item; };
  const sized = new Map();
  const item = (row, number) => {
    const got = line(number), li = made("li", (hitSet.has(number) ? "hit" : "") + (number === marked ? " at" : ""));
    li.id = "L" + number; li.style.top = row * HIGH + "px";
    const link = made("a", "n", number); link.href = "#L" + number; link.tabIndex = -1; li.append(link);
    if (got && got[2] === "c") {
      const open = !folded.has(number), fold = made("button", "fold", open ? "▾" : "▸");
      fold.type = "button"; fold.dataset.line = number; fold.setAttribute("aria-expanded", open); fold.setAttribute("aria-label", "Output of " + got[1]); li.append(fold);
    } else li.append(made("span", "gap"));
    li.append(made("time", "", got ? got[0] : ""));
    const text = made("span", got ? got[2] : "");
    if (got && typeof got[1] === "string") text.textContent = got[1];
    else if (got) got[1].forEach(([classes, piece]) => text.append(made("span", classes, piece)));
    li.append(text);
    return li;
  };
  let waits = false;
  const draw = () => { if (!waits) { waits = true; requestAnimationFrame(paint); } };
  const paint = () => {
    waits = false;
    const tall = rows * HIGH + "px";
    if (list.style.height !== tall) list.style.height = tall;
    if (following) log.scrollTop = log.scrollHeight;
    const first = Math.max(0, Math.floor(log.scrollTop / HIGH) - SPARE), last = Math.min(rows - 1, Math.ceil((log.scrollTop + log.clientHeight) / HIGH) + SPARE);
    const wanted = document.createDocumentFragment(), lacking = new Set();
    for (let row = first; row <= last; row++) {
      const number = lineOf(row);
      if (!line(number)) lacking.add(Math.floor((number - 1) / CHUNK));
      wanted.append(item(row, number));
    }
    list.replaceChildren(wanted);
    lacking.forEach(fetchChunk);
  };
  const grown = () => { reckon(); draw(); };

  // Going somewhere.
  const say = text => { $("log-said").textContent = text; };
  const setFollowing = on => { following = on; $("log-follow").setAttribute("aria-pressed", on); };
  const goTo = number => {
    setFollowing(false);
    const holder = [...commands].reverse().find(([first]) => first < number);
    if (holder && folded.delete(holder[0])) reckon();
    marked = number;
    log.scrollTop = Math.max(0, rowOf(number) * HIGH - log.clientHeight / 3);
    draw();
  };
  const fromHash = () => { const found = /^#L(\d+)$/.exec(location.hash); if (found) goTo(Math.min(+found[1], Math.max(total, 1))); };
  addEventListener("hashchange", fromHash);
  let own = 0;
  log.addEventListener("scroll", () => {
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 2 * HIGH;
    if (following && !atEnd && log.scrollTop < own) setFollowing(false);   // somebody went up: nothing jumps from now on
    else if (!following && !ended && atEnd && log.scrollTop > own) setFollowing(true);
    own = log.scrollTop;
    draw();
  }, { passive: true });
  list.addEventListener("click", event => {
    const fold = event.target.closest(".fold");
    if (!fold) return;
    const number = +fold.dataset.line;
    if (!folded.delete(number)) folded.add(number);
    grown();
  });
  $("log-fold").addEventListener("click", () => {
    const open = folded.size === 0;
    folded = new Set(open ? commands.map(([first]) => first) : []);
    $("log-fold").textContent = open ? "Unfold all" : "Fold all";
    setFollowing(false); reckon(); log.scrollTop = 0; draw();
  });
  $("log-times").addEventListener("click", event => event.target.setAttribute("aria-pressed", log.classList.toggle("times")));
  $("log-follow").addEventListener("click", () => { setFollowing(!following); draw(); });

  // Search.
  let wanted = "";
  const search = async () => {
    const text = $("log-find").value;
    if (text === wanted) return;
    wanted = text; hits = []; hit = -1;
    if (text) try { hits = (await ask("find", "q=" + encodeURIComponent(text))).lines; } catch { say("Not a regular expression that is known here."); return; }
    if (text !== wanted) return;
    hitSet = new Set(hits);
    say(text ? (hits.length ? `${hits.length}${hits.length >= 2000 ? " or more" : ""} lines` : "no line") : "");
    draw();
  };
  const step = by => { if (!hits.length) return; hit = (hit + by + hits.length) % hits.length; goTo(hits[hit]); say(`${hit + 1} of ${hits.length}`); };
  const searched = by => search().then(() => step(by));
  $("log-find").addEventListener("keydown", event => { if (event.key === "Enter") { event.preventDefault(); searched(event.shiftKey ? -1 : 1); } if (event.key === "Escape") log.focus(); });
  $("log-find").addEventListener("input", () => { clearTimeout(search.soon); search.soon = setTimeout(search, 300); });
  $("log-next").addEventListener("click", () => searched(1));
  $("log-back").addEventListener("click", () => searched(-1));

  // Live.
  const follow = () => {
    const source = new EventSource(url("follow", "after=" + total));
    source.addEventListener("lines", event => {
      const got = JSON.parse(event.data);
      keep(got.first, got.lines);
      got.lines.forEach((each, at) => { if (each[2] === "c" && (!commands.length || commands.at(-1)[0] < got.first + at)) commands.push([got.first + at, each[1]]); });
      total = Math.max(total, got.first + got.lines.length - 1);
      grown();
    });
    source.addEventListener("again", () => { chunks.clear(); commands = []; total = 0; grown(); });
    source.addEventListener("over", () => { source.close(); ended = true; setFollowing(false); $("log-follow").hidden = true; log.dataset.ended = "yes"; });
    source.addEventListener("cut", event => { source.close(); setFollowing(false); document.dispatchEvent(new CustomEvent("cut", { detail: JSON.parse(event.data).why })); });
    source.onerror = () => { source.close(); if (!ended) setTimeout(follow, 1000 + Math.random() * 2000); };  // from the last line that came
    addEventListener("pagehide", () => source.close());
  };

  log.classList.add("windowed");
  $("log-bar").hidden = false;
  $("log-follow").hidden = ended;
  setFollowing(following);
  // What the page came with is there at once; what it lacks is asked for when it is looked at.
  keep(+log.dataset.start, [...list.children].map(li => {
    const text = li.lastElementChild, pieces = [...text.children];
    return [li.querySelector("time").textContent, pieces.length ? pieces.map(piece => [piece.className, piece.textContent]) : text.textContent, text.className];
  }));
  reckon();
  const start = async () => {
    try { commands = (await ask("outline", "")).commands; } catch { commands = []; }
    reckon(); fromHash(); draw();
    if (!ended) follow();
  };
  draw(); start();
})();
