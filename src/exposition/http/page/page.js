"use strict";
const SECOND = 1000;
const WINDOW_S = 300;
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
let paused = false;
let lastSeen = null;
let lastStats = null;
let said = "";
let timer = 0;

// Everything a pool says is text: it never becomes markup.
function el(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}
function svg(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function duration(s) {
  if (s === null || s === undefined) return "–";
  if (s === 0) return "0";
  if (s < 0.001) return `${Math.round(s * 1e6)} µs`;
  if (s < 1) return `${s < 0.01 ? (s * 1e3).toFixed(1) : Math.round(s * 1e3)} ms`;
  if (s < 120) return `${s.toFixed(1)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  return `${(s / 3600).toFixed(1)} h`;
}
const count = (n) => Number(n).toLocaleString("en");
function bytes(n) {
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (n < 1000) return `${n < 10 && unit !== "B" ? n.toFixed(1) : Math.round(n)} ${unit}`;
    n /= 1000;
  }
  return `${n.toFixed(1)} TB`;
}
const words = (name) => name.replaceAll("_", " ");

function announce(level, text) {
  $("status").className = `status ${level}`;
  // Only a change is worth interrupting a reader.
  if (text !== said) { said = text; $("status-text").textContent = text; }
}

function rows(table, heads, body) {
  table.replaceChildren();
  const top = table.createTHead().insertRow();
  heads.forEach((head, column) => {
    const cell = el("th", head, column > 0 && body.numeric !== false ? "n" : "");
    cell.scope = "col";
    top.append(cell);
  });
  const inside = table.createTBody();
  for (const line of body) {
    const row = inside.insertRow();
    line.forEach((value, column) => row.append(el("td", value, column > 0 && body.numeric !== false ? "n" : "")));
  }
  if (body.length === 0) {
    const cell = el("td", "none");
    cell.colSpan = heads.length;
    inside.insertRow().append(cell);
  }
}
const asText = (lines) => Object.assign(lines, { numeric: false });

function tile(list, name, value, more) {
  const box = el("div");
  const figure = el("dd", value);
  if (more) figure.append(el("small", more));
  box.append(el("dt", name), figure);
  list.append(box);
}

function drawTiles(s) {
  const list = $("tiles");
  list.replaceChildren();
  const c = s.connections;
  tile(list, "In use", `${c.in_use} of ${c.limit}`, c.limit < c.max_size ? `max_size ${c.max_size}, limited by ${c.limited_by ?? "the fleet"}` : `max_size ${c.max_size}`);
  tile(list, "Idle", c.idle, c.opening ? `${c.opening} opening` : `min_idle ${c.min_idle}`);
  tile(list, "Waiting", c.waiting, c.waiting ? `oldest ${duration(s.oldest_waiter_s)}` : "nobody waits");
  tile(list, "Circuit", s.circuit.state, s.circuit.for_s === null ? "connections are opened" : `for ${duration(s.circuit.for_s)}`);
  tile(list, "Wait p99", duration(s.durations.wait.p99_s), `median ${duration(s.durations.wait.p50_s)}`);
  tile(list, "Use p99", duration(s.durations.use.p99_s), `median ${duration(s.durations.use.p50_s)}`);
  tile(list, "Statement p99", duration(s.durations.operation.p99_s), `${count(s.counters.statements)} completed`);
  if (c.fleet_share !== null) tile(list, "Fleet share", c.fleet_share, `${c.fleet_peers} pools`);
  tile(list, "Round trip", duration(s.health.last_probe_s), s.health.last_success_s === null ? "server not heard of yet" : `server heard ${duration(s.health.last_success_s)} ago`);
}

function drawAlerts(s) {
  const list = $("alerts");
  list.replaceChildren();
  for (const alert of s.alerts) {
    const item = el("li", null, alert.severity);
    const head = el("p");
    head.append(el("strong", `${words(alert.name)} (${alert.severity}) `), document.createTextNode(`for ${duration(alert.for_s)}: ${alert.cause}`));
    item.append(head, el("p", `To do: ${alert.remedy}`));
    list.append(item);
  }
  // Reasons name the alerts again: those are shown above, with what to do.
  for (const reason of s.health.reasons.filter((reason) => !s.alerts.some((alert) => reason.startsWith(alert.name)))) {
    list.append(el("li", reason, s.health.status === "down" ? "critical" : ""));
  }
  const last = s.health.last_error;
  if (last && s.health.status !== "healthy") {
    list.append(el("li", `Last failure to open a connection, ${duration(last.age_s)} ago (${last.kind}${last.phase ? ` at ${last.phase}` : ""}): ${last.message}`));
  }
  $("alerts-panel").hidden = list.children.length === 0;
}

// The next of 1, 2, 5, 10, 20 ... above.
function ceiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  // 20, for what is so close below 10 that 10 leaves no room above it.
  return [1, 2, 5, 10, 20].map((step) => step * power).find((bound) => bound >= value * 1.02);
}

// Made once and kept, so that what a reader has opened, focused or scrolled stays so while the figures change.
function frame(figure, title) {
  const details = el("details");
  const box = el("div", null, "scroll");
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", `${title}, as a table`);
  box.append(el("table"));
  details.append(el("summary", "As a table"), box);
  details.addEventListener("toggle", () => { if (details.open && lastStats) drawCharts(lastStats); });
  figure.append(el("figcaption"), svg("svg", {}), details);
}

// One chart: lines or stacked areas over the last minutes, with its numbers as a table behind it.
function draw(id, title, samples, series, format, options = {}) {
  const figure = $(id);
  if (!figure.firstChild) frame(figure, title);
  const W = Math.max(figure.clientWidth - 34, 200), H = 130, L = 52, R = 6, T = 8, B = 18;
  const stack = series.filter((one) => one.area);
  const totals = samples.map((m) => stack.reduce((sum, one) => sum + (one.of(m) ?? 0), 0));
  const values = samples.flatMap((m) => series.map((one) => one.of(m) ?? 0)).concat(totals);
  const top = ceiling(Math.max(options.least ?? 0, ...values));
  const span = samples.length ? Math.min(Math.max(samples[0].age_s, 60), WINDOW_S) : 60;
  const x = (m) => L + (W - L - R) * (1 - Math.min(m.age_s, span) / span);
  const y = (value) => T + (H - T - B) * (1 - value / top);
  const outages = samples.filter((m) => m.circuit !== "closed").length;
  const chart = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img" });
  const latest = samples.length ? samples[samples.length - 1] : null;
  const now = latest ? series.map((one) => `${one.name} ${format(one.of(latest))}`).join(", ") : "nothing measured yet";
  chart.setAttribute("aria-label", `${title} over the last ${duration(span)}. Now: ${now}.${outages ? ` Shaded: the circuit was not closed in ${outages} of ${samples.length} samples.` : ""}`);
  for (const share of [0, 0.5, 1]) {
    const at = T + (H - T - B) * share;
    chart.append(svg("line", { class: "axis", x1: L, x2: W - R, y1: at, y2: at }));
    const label = svg("text", { x: L - 5, y: at + 4, "text-anchor": "end" });
    label.textContent = format(top * (1 - share));
    chart.append(label);
  }
  for (const [text, at, anchor] of [[`${duration(span)} ago`, L, "start"], ["now", W - R, "end"]]) {
    const label = svg("text", { x: at, y: H - 4, "text-anchor": anchor });
    label.textContent = text;
    chart.append(label);
  }
  // As wide as a sample of a second, so that those in a row are one.
  const outage = Math.max(2, (W - L - R) / span);
  for (const m of samples.filter((m) => m.circuit !== "closed")) {
    chart.append(svg("rect", { class: "outage", x: x(m) - outage, y: T, width: outage, height: H - T - B }));
  }
  let base = samples.map(() => 0);
  for (const one of series) {
    const ys = samples.map((m, at) => (one.of(m) ?? 0) + (one.area ? base[at] : 0));
    // A pause in which nothing went on is a gap, and so is a time without anything to measure.
    const runs = [];
    samples.forEach((m, at) => {
      if (one.of(m) === null || one.of(m) === undefined) return runs.push([]);
      if (!runs.length || (at && samples[at - 1].age_s - m.age_s > 3)) runs.push([]);
      runs[runs.length - 1].push(at);
    });
    for (const run of runs.filter((run) => run.length)) {
      const line = run.map((at, place) => `${place ? "L" : "M"}${x(samples[at]).toFixed(1)} ${y(ys[at]).toFixed(1)}`).join("");
      if (one.area) {
        const back = run.slice().reverse().map((at) => `L${x(samples[at]).toFixed(1)} ${y(base[at]).toFixed(1)}`).join("");
        chart.append(svg("path", { class: `area ${one.color}`, d: `${line}${back}Z` }));
      } else {
        chart.append(svg("path", { class: one.color, d: run.length > 1 ? line : `${line}h2` }));
      }
    }
    if (one.area) base = ys;
  }
  const caption = figure.querySelector("figcaption");
  caption.replaceChildren(title, ...series.map((one) => el("span", `${one.name} ${latest ? format(one.of(latest)) : "–"}`, `key ${one.color}`)));
  figure.querySelector("svg").replaceWith(chart);
  const details = figure.querySelector("details");
  if (details.open) rows(details.querySelector("table"), ["ago", ...series.map((one) => one.name), "circuit"], samples.slice(-60).reverse().map((m) => [duration(Math.max(m.age_s, 0)), ...series.map((one) => format(one.of(m))), m.circuit]));
}

function drawCharts(s) {
  const all = s.history.samples.filter((m) => m.age_s <= WINDOW_S);
  const whole = (n) => (n === null || n === undefined ? "–" : Number.isInteger(n) ? String(n) : n.toFixed(1));
  const rate = (n) => (n === null || n === undefined ? "–" : n >= 10 ? Math.round(n).toLocaleString("en") : n.toFixed(1));
  draw("chart-connections", "Connections", all, [
    { name: "in use", color: "a", area: true, of: (m) => m.in_use },
    { name: "idle", color: "b", area: true, of: (m) => m.idle },
    { name: "opening", color: "c", area: true, of: (m) => m.opening },
    { name: "limit", color: "d", of: (m) => m.limit },
  ], whole, { least: s.connections.limit });
  draw("chart-queue", "Callers that wait", all, [{ name: "waiting", color: "c", of: (m) => m.waiting }], whole, { least: 1 });
  draw("chart-wait", "Wait for a connection", all, [
    { name: "p99", color: "c", of: (m) => m.wait_p99_s },
    { name: "median", color: "a", of: (m) => m.wait_p50_s },
  ], duration);
  draw("chart-use", "Use of a connection", all, [
    { name: "p99", color: "c", of: (m) => m.use_p99_s },
    { name: "median", color: "a", of: (m) => m.use_p50_s },
  ], duration);
  draw("chart-rate", "Checkouts per second", all, [{ name: "checkouts", color: "b", of: (m) => m.gets }], rate, { least: 1 });
  draw("chart-errors", "Trouble per second", all, [
    { name: "errors", color: "c", of: (m) => m.errors },
    { name: "timeouts", color: "a", of: (m) => m.timeouts },
    { name: "retries", color: "b", of: (m) => m.retries },
  ], rate, { least: 1 });
}

function drawTables(s) {
  rows($("durations"), ["", "count", "median", "p95", "p99", "mean"], [["open a connection", "create"], ["wait for one", "wait"], ["use one", "use"], ["statement", "operation"]].map(([name, key]) => {
    const d = s.durations[key];
    return [name, count(d.count), duration(d.p50_s), duration(d.p95_s), duration(d.p99_s), d.count ? duration(d.sum_s / d.count) : "–"];
  }));
  const errors = s.connect_errors.map((e) => [`open: ${words(e.kind)} at ${e.phase}`, count(e.count)])
    .concat(Object.entries(s.statement_errors).map(([code, n]) => [`statement: SQLSTATE ${code}`, count(n)]))
    .concat(Object.entries(s.errors).filter(([, n]) => n > 0).map(([kind, n]) => [`call or attempt: ${words(kind)}`, count(n)]));
  rows($("errors"), ["what", "how often"], errors);
  const c = s.counters;
  rows($("counters"), ["what", "how many"], [
    ["checkouts", count(c.gets)], ["waits", count(c.waits)], ["calls without a connection in time", count(c.timeouts)], ["calls not let into the queue", count(c.shed)],
    ["connections opened", count(c.opens)], ["openings retried", count(c.retries)], ["probes of a server out of reach", count(c.probes)], ["validations of idle connections", count(c.validations)],
    ["statements completed", count(c.statements)], ["returned inside a transaction", count(c.rolled_back)], ["leaks suspected", count(c.leaks)],
    ["sent", bytes(c.bytes_sent)], ["received", bytes(c.bytes_received)],
  ]);
  rows($("closes"), ["reason", "how many"], Object.entries(s.closes).filter(([, n]) => n > 0).map(([reason, n]) => [words(reason), count(n)]));
}

function drawExhaustion(s) {
  const e = s.exhaustion;
  $("holders").hidden = $("slots").hidden = !e;
  if (!e) { $("exhaustion-verdict").textContent = "No call has been left without a connection."; return; }
  $("exhaustion-verdict").textContent = `${duration(e.age_s)} ago: ${e.verdict}${e.server_error ? `. The server could not be asked: ${e.server_error}` : ""}`;
  rows($("holders"), ["connection", "server process", "held for", "taken at", "transaction", "last statement"], asText(e.holders.map((h) => [h.connection, h.backend_pid ?? "–", duration(h.held_s), h.from ?? "–", h.busy ? "running a statement" : words(h.transaction), h.last_statement_s === null ? "–" : `${duration(h.last_statement_s)} ago`])));
  const server = e.server;
  rows($("slots"), ["application", "role", "state", "sessions", "oldest"], asText(server ? server.slots.map((slot) => [slot.application || "(none)", slot.user || "(none)", slot.state || "(hidden)", slot.count, duration(slot.oldest_s)]) : []));
  if (server) $("slots").createCaption().textContent = `The server's slots: ${server.used} of ${server.max_connections} used, ${server.reserved} reserved, ${server.idle_in_transaction} idle in transaction`;
}

function show(s) {
  lastSeen = Date.now();
  lastStats = s;
  document.body.classList.remove("stale");
  $("token-form").hidden = true;
  const name = s.pool.name ? `${s.pool.name} at ${s.pool.target}` : s.pool.target;
  $("pool").textContent = `${name}, up ${duration(s.uptime_s)}, version ${s.version}`;
  document.title = `${s.health.status}: ${s.pool.name ?? s.pool.target} – Holdfast`;
  announce(s.health.status, s.alerts.length ? `${s.health.status}, ${s.alerts.length} alert${s.alerts.length > 1 ? "s" : ""}` : s.health.status);
  drawAlerts(s);
  drawTiles(s);
  drawCharts(s);
  drawTables(s);
  drawExhaustion(s);
}

function unreachable() {
  document.body.classList.add("stale");
  announce("down", lastSeen ? "the pool's process does not answer" : "nothing seen yet: the pool's process does not answer");
  if (lastSeen) $("pool").textContent = `last seen ${duration(Math.round((Date.now() - lastSeen) / SECOND))} ago; the figures are of then`;
}

const token = () => sessionStorage.getItem("holdfast-token");
const ask = (path) => fetch(path, { cache: "no-store", signal: AbortSignal.timeout(5 * SECOND), headers: token() ? { Authorization: `Bearer ${token()}` } : {} });

async function refresh() {
  try {
    const answer = await ask("/stats.json");
    if (answer.status === 401) {
      if ($("token-form").hidden) { $("token-form").hidden = false; $("token").focus(); }
      return announce("degraded", token() ? "this token is not accepted" : "a token is needed");
    }
    if (!answer.ok) throw new Error(String(answer.status));
    show(await answer.json());
  } catch {
    unreachable();
  }
}

async function tick() {
  if (!paused && !document.hidden) await refresh();
  timer = setTimeout(tick, SECOND);
}

$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  $("pause").textContent = paused ? "Go on" : "Pause";
});
const THEMES = ["system", "light", "dark"];
function theme(name) {
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  $("theme").textContent = `Theme: ${name}`;
  localStorage.setItem("holdfast-theme", name);
}
$("theme").addEventListener("click", () => theme(THEMES[(THEMES.indexOf(localStorage.getItem("holdfast-theme") ?? "system") + 1) % THEMES.length]));
theme(THEMES.includes(localStorage.getItem("holdfast-theme")) ? localStorage.getItem("holdfast-theme") : "system");
$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("holdfast-token", $("token").value);
  refresh();
});
// A link is followed without the token, so the page asks in its place and shows what it got.
document.querySelector("footer").addEventListener("click", async (event) => {
  const link = event.target.closest("a");
  if (!link || !token()) return;
  event.preventDefault();
  try {
    const answer = await ask(link.getAttribute("href"));
    location.assign(URL.createObjectURL(new Blob([await answer.text()], { type: "text/plain;charset=utf-8" })));
  } catch {
    unreachable();
  }
});
document.addEventListener("visibilitychange", () => { if (!document.hidden && !paused) { clearTimeout(timer); tick(); } });
tick();
