// Two enhancements. Every page works without them.
"use strict";

// Countdowns: <time data-left="milliseconds left when the page was rendered">. They use only
// differences of this machine's clock, because that clock may be wrong.
function left(ms) {
  if (ms <= 0) return "over";
  const s = Math.floor(ms / 1000), m = Math.floor(s / 60), h = Math.floor(m / 60), d = Math.floor(h / 24);
  const two = (n) => String(n).padStart(2, "0");
  if (d > 0) return `${d} d ${h % 24} h`;
  if (h > 0) return `${h}:${two(m % 60)}:${two(s % 60)}`;
  return `${m}:${two(s % 60)}`;
}
let made = Date.now();
function tick() {
  for (const el of document.querySelectorAll("[data-left]")) el.textContent = left(el.dataset.left - (Date.now() - made));
}
tick();
setInterval(tick, 1000);

// The live page: one stream of server-sent events.
const live = document.getElementById("live");
if (live) {
  const state = document.getElementById("state"), log = document.getElementById("events");
  const say = (text, how) => { state.textContent = text; live.dataset.state = how; };
  const note = (text) => {
    const line = document.createElement("li"), time = document.createElement("time"), what = document.createElement("span");
    time.textContent = new Date().toLocaleTimeString([], { hour12: false });
    what.textContent = text;
    line.append(time, what);
    log.querySelector("li.muted")?.remove();
    log.prepend(line);
    while (log.children.length > 50) log.lastChild.remove();
  };
  // A button of this page must not reload it: that would empty the log.
  live.addEventListener("submit", async (e) => {
    e.preventDefault();
    try {
      const answer = await fetch(e.target.action, { method: "POST", body: new URLSearchParams(new FormData(e.target)) });
      if (!answer.ok || new URL(answer.url).pathname !== location.pathname) location.reload();
    } catch {
      note("The server is unreachable.");
    }
  });
  const stream = new EventSource(live.dataset.stream);
  addEventListener("pagehide", () => stream.close());
  stream.addEventListener("open", () => say("Live.", "open"));
  stream.addEventListener("error", () => {
    if (stream.readyState === EventSource.CLOSED) say("The stream is closed.", "ended");
    else say("Connection lost. Reconnecting.", "lost");
  });
  stream.addEventListener("snapshot", (e) => {
    const snapshot = JSON.parse(e.data);
    for (const el of document.querySelectorAll("[data-live]")) el.textContent = snapshot[el.dataset.live];
    for (const el of live.querySelectorAll("[data-left]")) el.dataset.left = snapshot.idle_left_ms;
    made = Date.now();
    tick();
  });
  stream.addEventListener("note", (e) => note(JSON.parse(e.data).text));
  stream.addEventListener("end", (e) => {
    stream.close();
    note(JSON.parse(e.data).text);
    say("This session has ended.", "ended");
  });
}
