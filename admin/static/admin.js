// The overview: one stream of server-sent events keeps figures, plots and the log up to date. The
// page works without it.

const live = document.getElementById("live"), log = document.getElementById("events");
const pause = document.getElementById("pause");
const prefix = live.dataset.stream.split("/live?")[0];
const byId = (id) => document.getElementById(id);

// ------------------------------------------------------------------ plots

const span = 300; // seconds that the plots show
const minutes = [4, 2, 0]; // that the plots name
const recent = { at: [], series: Array.from({ length: 7 }, () => []) };
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function axes(max) {
  const axis = { stroke: color("--muted"), font: "12px system-ui, sans-serif", grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
  const short = (v) => (v >= 1e6 ? v / 1e6 + "M" : v >= 1e3 ? v / 1e3 + "k" : String(v));
  return [
    { ...axis, grid: { show: false }, size: 24, splits: (_u, _i, _min, max) => minutes.map((m) => max - 60 * m), values: () => minutes.map((m) => (m ? `−${m} min` : "now")) },
    { ...axis, size: 44, space: 28, values: (_, ticks) => ticks.map(short), incrs: max ? [25, 50, 100] : undefined },
  ];
}

class Plot {
  constructor(figure) {
    this.figure = figure;
    this.box = figure.querySelector(".canvas");
    this.series = figure.dataset.series.split(" ").map(Number);
    this.max = Number(figure.dataset.max) || 0;
    const names = figure.dataset.names?.split(",") ?? [];
    names.forEach((name, i) => {
      const key = document.createElement("span");
      key.className = i ? "key second" : "key";
      key.textContent = name;
      figure.querySelector("figcaption").append(key);
    });
    this.draw();
    new ResizeObserver(() => this.plot.setSize(this.size())).observe(this.box);
  }
  size() {
    return { width: Math.max(this.box.clientWidth, 100), height: 150 };
  }
  data() {
    return [recent.at, ...this.series.map((i) => recent.series[i])];
  }
  draw() {
    this.plot?.destroy();
    const lines = [{ stroke: color("--accent"), width: 2 }, { stroke: color("--muted"), width: 1.5, dash: [5, 4] }];
    this.plot = new uPlot(
      {
        ...this.size(),
        legend: { show: false },
        cursor: { show: false },
        padding: [8, 16, 0, 0],
        scales: {
          x: { range: () => [(recent.at.at(-1) ?? Date.now() / 1e3) - span, recent.at.at(-1) ?? Date.now() / 1e3] },
          y: { range: (_, _min, max) => [0, this.max || Math.max(1, (max ?? 0) * 1.15)] },
        },
        axes: axes(this.max),
        series: [{}, ...this.series.map((_, i) => ({ ...lines[i], points: { show: false }, spanGaps: false }))],
      },
      this.data(),
      this.box,
    );
  }
}

const plots = [...document.querySelectorAll(".plot")].map((figure) => new Plot(figure));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plots.forEach((plot) => plot.draw()));

function add({ at, points }) {
  if (at <= recent.at.at(-1)) return;
  recent.at.push(at);
  points.forEach((value, i) => recent.series[i].push(value));
  while (recent.at[0] < at - span) {
    recent.at.shift();
    for (const values of recent.series) values.shift();
  }
  for (const plot of plots) plot.plot.setData(plot.data());
  byId("plots").dataset.samples = recent.at.length;
}

// ---------------------------------------------------------------- figures

function show(now) {
  byId("health").dataset.state = now.health.state;
  write("health-state", now.health.state);
  write("health-reason", now.health.reason || "No known problem.");
  for (const { key, value, note } of now.tiles) {
    write("tile-" + key, value);
    write("note-" + key, note);
  }
  add(now);
}

function write(id, text) {
  const el = byId(id);
  if (el && el.textContent !== text) el.textContent = text;
}

// -------------------------------------------------------------------- log

const lines = 100; // that the log keeps
let waiting = [];

function element(name, className, text) {
  const el = document.createElement(name);
  el.className = className;
  el.textContent = text;
  return el;
}

// The same characters as the server replaces: they would hide or reorder the text around them.
const visible = (text) => text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "\uFFFD");

function line(e) {
  const li = document.createElement("li"), at = new Date(e.at), what = element("span", "what", "");
  const time = element("time", "", at.toISOString().slice(11, 19));
  time.dateTime = e.at;
  const link = (path, child) => {
    const a = document.createElement("a");
    a.href = prefix + path;
    a.append(child);
    what.append(a, " ");
  };
  if (e.user_id) link("/sessions?user=" + encodeURIComponent(e.user_id), visible(e.user_id));
  else if (e.session_id) what.append(element("span", "muted", "guest"), " ");
  if (e.session_id) link("/sessions/" + e.session_id, element("code", "", e.session_id));
  what.append(visible(e.reason ?? ""));
  li.append(time, " ", element("span", "kind", e.kind), " ", what);
  return li;
}

// Events come faster than a screen can show them: only the last ones of a frame become lines.
function enter(li) {
  const n = waiting.push(li);
  if (n === 1) requestAnimationFrame(flush);
  if (n > 2 * lines) waiting = waiting.slice(-lines); // a hidden tab has no frames
}

function flush() {
  const kept = log.scrollTop > 0 ? log.scrollHeight - log.scrollTop : 0;
  log.querySelector(".empty")?.remove();
  for (const make of waiting.slice(-lines)) log.prepend(make());
  waiting = [];
  while (log.children.length > lines) log.lastChild.remove();
  if (kept) log.scrollTop = log.scrollHeight - kept; // who reads on keeps the place
}

// ----------------------------------------------------------------- stream

let stream, next = Number(new URL(live.dataset.stream, location).searchParams.get("from"));

function say(text, link) {
  write("connection", text);
  live.dataset.link = link;
}

function connect() {
  stream = new EventSource(`${prefix}/live?from=${next}`);
  stream.addEventListener("open", () => say("Live", "open"));
  stream.addEventListener("error", () => {
    if (stream.readyState === EventSource.CLOSED) ended("Not live. Reload the page to try again.");
    else say("Connection lost. Reconnecting.", "lost");
  });
  stream.addEventListener("live", (e) => show(JSON.parse(e.data)));
  stream.addEventListener("event", (e) => {
    next = Number(e.lastEventId) + 1;
    enter(() => line(JSON.parse(e.data)));
  });
  stream.addEventListener("dropped", (e) => {
    const { count } = JSON.parse(e.data);
    enter(() => element("li", "dropped muted", `${count.toLocaleString("en")} events came too fast to be shown.`));
  });
  stream.addEventListener("end", (e) => ended(JSON.parse(e.data).reason));
}

function ended(text) {
  stream.close();
  say(text, "lost");
}

pause.hidden = false;
pause.addEventListener("click", () => {
  const running = pause.textContent === "Pause";
  if (running) {
    stream.close();
    say("Paused", "paused");
  } else {
    connect();
  }
  pause.textContent = running ? "Go on" : "Pause";
});
addEventListener("pagehide", () => stream.close());
addEventListener("pageshow", (e) => e.persisted && pause.textContent === "Pause" && connect());
connect();
