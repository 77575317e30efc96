// The live page: asks for the overview every two seconds and shows it. Nothing that a peer said is ever read as markup.
"use strict";

const EVERY = 2000, STALE = 10000, PATIENCE = 8000, HISTORY = 5 * 60 * 1000;
const at = (id) => document.getElementById(id);
let token = "", samples = [], asked = "", skip = [0], paused = false, got = 0, timer = 0, sure = null;

// Text of peers: what turns or moves other text is made visible, what is long is cut.
function plain(text, most = 48) {
  const shown = Array.from(String(text)).map((letter) =>
    /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/u.test(letter)
      ? "⟨U+" + letter.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + "⟩" : letter);
  return shown.length > most ? shown.slice(0, most).join("") + "…" : shown.join("");
}

function make(tag, text, kind) {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  if (kind) element.className = kind;
  return element;
}

function named(text) {
  const element = make("span", text ? plain(text) : "–", "name");
  element.dir = "auto";
  if (text) element.title = plain(text, 400);
  return element;
}

function button(text, label, key, act) {
  const element = make("button", text);
  element.type = "button";
  element.dataset.key = key;
  element.setAttribute("aria-label", label);
  element.addEventListener("click", act);
  return element;
}

// Other rows take the place of these; who has the focus on a button keeps it, if it is still there.
function replace(list, rows) {
  const key = list.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  list.replaceChildren(...rows);
  if (key) [...list.querySelectorAll("button")].find((one) => one.dataset.key === key)?.focus({ preventScroll: true });
}

// A rule file by its own name and its folder's; all of it where one looks closer.
function place(text) {
  const element = make("span", plain(text.split("/").slice(-2).join("/"), 60), "place");
  element.title = plain(text, 400);
  return element;
}

const number = (n) => (n ?? 0).toLocaleString("en");
function octets(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (n >= 1024 && at < 4) { n /= 1024; at += 1; }
  return (at ? n.toFixed(n < 10 ? 1 : 0) : n) + " " + units[at];
}
function span(s) {
  if (s === null || s === undefined) return "never";
  if (s < 100) return Math.round(s) + " s";
  if (s < 6000) return Math.round(s / 60) + " min";
  return s < 172800 ? Math.round(s / 3600) + " h" : Math.round(s / 86400) + " d";
}
function millis(s) {
  return s === null ? "–" : s < 0.01 ? (s * 1000).toFixed(1) + " ms" : Math.round(s * 1000) + " ms";
}

// The edge below which that part of the observations between two answers lay.
function quantile(now, before, part) {
  const since = now.map(([edge, n], at) => [edge, n - (before?.[at]?.[1] ?? 0)]);
  const all = since.length ? since[since.length - 1][1] : 0;
  if (all <= 0) return null;
  const found = since.find(([, n]) => n >= all * part);
  return found ? found[0] : null;
}

class Refused extends Error {
  constructor(status, detail) { super(detail); this.status = status; }
}

async function call(method, path, body) {
  const headers = token ? { Authorization: "Bearer " + token } : {};
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, {
    method, headers, body: body && JSON.stringify(body), cache: "no-store", credentials: "omit",
    signal: AbortSignal.timeout(PATIENCE),
  });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, told.detail ?? "refused");
  return told;
}

function state(word, text) {
  document.body.dataset.state = word;
  at("fresh").textContent = text;
}

async function refresh() {
  clearTimeout(timer);
  if (document.hidden || at("token").open) return;
  try {
    show(await call("GET", "/api/v1/overview?limit=50&cursor=" + skip[skip.length - 1] + asked));
    got = Date.now();
    state("live", "live");
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return askToken(error.message);
    if (error instanceof Refused && error.status === 400) {
      asked = "";
      at("counted").textContent = error.message;
    } else if (error instanceof Refused) {
      state("gone", error.message);
    } else if (!got) {
      state("gone", "no answer yet");
    } else if (Date.now() - got > STALE) {
      state("gone", "no answer for " + span((Date.now() - got) / 1000));
    }
  }
  timer = setTimeout(refresh, EVERY);
}

function askToken(why) {
  state("token", "a token is needed");
  at("token-why").dataset.status = token ? "wrong" : "needed";
  if (token) at("token-why").textContent = why;
  at("secret").value = "";
  if (!at("token").open) at("token").showModal();
}

function show(told) {
  const now = { at: Date.now(), told };
  samples.push(now);
  while (samples.length > 2 && now.at - samples[0].at > HISTORY) samples.shift();
  const short = samples[Math.max(0, samples.length - 6)], long = samples[0];
  document.querySelector("main").hidden = false;
  at("sign").hidden = Boolean(token);
  head(told);
  banners(told);
  numbers(told, now, short, long);
  upstreams(told, short.told);
  sessions(told.sessions, told.masked, ["operator", "admin"].includes(told.role));
  rules(told.rules);
  if (!paused) refusals(told.refused);
  locks(told.locks);
}

function marked(element, good, text) {
  element.replaceChildren(make("span", good ? "● " : "▲ ", good ? "good" : "bad"), text);
}

function head(told) {
  at("node").textContent = told.node;
  const wrong = Object.entries(told.checks).filter(([, ok]) => !ok).map(([check]) => check);
  marked(at("ready"), told.ready, told.ready ? "ready" : "not ready: " + wrong.join(", "));
  at("rev").textContent = told.rev;
  at("reload").textContent = told.reload.age_s === null ? "" : span(told.reload.age_s);
  const fine = !told.audit.failing && !told.audit.lost;
  marked(at("audit"), fine, fine ? "works, last record " + span(told.audit.last_s) + " ago" : told.audit.failing ? "fails" : "has lost records");
}

function banners(told) {
  const all = [];
  if (told.audit.failing) all.push(["AUDIT FAILING: disk " + Math.round(told.audit.disk_free * 100) + " % free. Logins and reads are refused.", true]);
  if (told.audit.lost) all.push([number(told.audit.lost) + " audit records are lost.", true]);
  if (told.totals.filter_failures) all.push([number(told.totals.filter_failures) + " responses could not be filtered: each is a bug.", true]);
  if (!told.reload.ok) all.push(["The last reload failed: what was in force stays. `imapwarden reload` says why.", true]);
  if (told.now.draining) all.push(["Draining: " + number(told.now.sessions) + " sessions left.", true]);
  if (told.masked) all.push(["You see counts: users are shown as u-…, addresses and mailboxes not at all.", false]);
  at("banners").replaceChildren(...all.map(([text, bad]) => make("p", text, bad ? "banner" : "banner told")));
}

function pairs(list, rows) {
  list.replaceChildren(...rows.flatMap(([what, value, bad]) => [make("dt", what), make("dd", value, bad ? "bad" : "")]));
}

function numbers(told, now, short, long) {
  const seconds = Math.max(1, (now.at - short.at) / 1000);
  const rate = (key) => ((told.totals[key] - short.told.totals[key]) / seconds).toFixed(1) + "/s";
  const since = (key) => told.totals[key] - long.told.totals[key];
  const commands = told.totals.commands - short.told.totals.commands;
  const errors = commands > 0 ? (100 * (told.totals.errors - short.told.totals.errors) / commands).toFixed(2) + " %" : "–";
  pairs(at("now"), [
    ["sessions", number(told.now.sessions) + " of " + number(told.now.limit)],
    ["in IDLE", number(told.now.states.idle)],
    ["logins", rate("logins") + ", failed " + rate("failed")],
    ["commands", rate("commands") + ", errors " + errors],
    ["overhead p99", millis(quantile(told.edges.overhead, short.told.edges.overhead, 0.99))],
  ]);
  at("span").textContent = span((now.at - long.at) / 1000);
  pairs(at("delivered"), [
    ["content", number(since("content")) + ", " + octets(since("content_bytes"))],
    ["envelopes", number(since("envelope"))],
    ["refused", number(since("refused"))],
    ["hidden", number(since("hidden"))],
    ["filter failures", number(told.totals.filter_failures), told.totals.filter_failures > 0],
    ["audit queue", number(told.audit.queue) + " of " + number(told.audit.queue_limit)],
    ["sync p99", millis(quantile(told.edges.sync, short.told.edges.sync, 0.99))],
    ["disk free", Math.round(told.audit.disk_free * 100) + " %"],
    ["certificates", told.certificate_s === null ? "none" : span(told.certificate_s), told.certificate_s !== null && told.certificate_s < 14 * 86400],
  ]);
}

function upstreams(told, before) {
  at("upstreams").replaceChildren(...told.upstreams.map((upstream, at) => {
    const row = make("li");
    const mark = upstream.up === null ? ["○ not tried", "faint"] : upstream.up ? ["● up", "good"] : ["▲ down", "bad"];
    const errors = Object.entries(upstream.errors).map(([reason, n]) => number(n) + " " + reason).join(", ");
    const p95 = quantile(upstream.response, before.upstreams[at]?.response, 0.95);
    row.append(make("b", upstream.name), " ", make("span", mark[0], mark[1]), " " + number(upstream.sessions) + " sessions");
    if (p95 !== null) row.append(", p95 " + millis(p95));
    if (errors) row.append(make("span", " " + errors, "faint"));
    return row;
  }));
}

function cell(of, content, kind) {
  const element = make("td", undefined, kind);
  element.dataset.of = of;
  element.append(content);
  return element;
}

function sessions(told, masked, acts) {
  const rows = told.sessions.map((session) => {
    const row = make("tr");
    const user = session.actor ? session.user + " (" + session.actor + ")" : session.user;
    const todo = make("td");
    if (acts) {
      const who = plain(session.user ?? session.ip);
      todo.append(button("end", "end the session of " + who, "end " + session.sid, () => endOne(session)), " ");
      if (session.user) todo.append(button("lock", "lock out " + who, "lock " + session.sid, () => lock(session.user)));
    }
    row.append(cell("user", named(user)), cell("from", named(session.ip)), cell("client", named(session.client)),
      cell("mailbox", named(session.mailbox)), cell("state", session.state), cell("age", span(session.age_s), "n"),
      cell("read", number(session.messages), "n"), cell("content", octets(session.content), "n"),
      cell("octets", octets(session.in + session.out), "n"), todo);
    return row;
  });
  replace(at("sessions"), rows);
  at("none").hidden = told.total > 0;
  at("counted").textContent = number(told.matched) + " of " + number(told.total) + " sessions, " + rows.length + " shown";
  at("end-these").hidden = !acts;
  at("filter").disabled = masked;
  at("back").hidden = skip.length < 2;
  at("next").hidden = !told.next;
  at("next").dataset.cursor = told.next ?? "";
}

function rules(told) {
  at("rules").replaceChildren(...told.first.map((rule) => {
    const row = make("tr");
    const never = !rule.hits && !rule.shadow && rule.hits !== null;
    row.append(cell("rule", rule.id), cell("where", place(rule.place)), cell("mode", rule.mode),
      cell("hits", rule.hits === null ? "–" : number(rule.hits), "n"), cell("shadow", rule.shadow === null ? "–" : number(rule.shadow), "n"),
      cell("last", never ? "never ▲" : span(rule.last_s), "n"));
    return row;
  }));
  at("more-rules").hidden = told.total <= told.first.length;
  at("more-rules").textContent = number(told.total) + " rules, the first " + told.first.length + " shown";
}

function refusals(told) {
  at("refused").replaceChildren(...told.slice(0, 20).map((refused) => {
    const row = make("li");
    row.append(make("span", refused.at.slice(11, 19) + " ", "faint"), named(refused.user), " " + refused.what + " ");
    if (refused.mailbox) row.append(named(refused.mailbox), " ");
    row.append(make("span", refused.by.join(", "), "place"));
    return row;
  }));
  if (!told.length) at("refused").append(make("li", "nothing yet", "faint"));
}

function locks(told) {
  at("locked").hidden = !told || !told.length;
  replace(at("locks"), (told ?? []).map((lock) => {
    const row = make("li"), whom = lock.user ?? lock.client_ip;
    row.append(named(whom), " until " + lock.until.slice(0, 16).replace("T", " ") + " UTC by ", named(lock.by), ": ", named(lock.why), " ",
      button("let in", "let in " + plain(whom), lock.id, () => unlock(lock)));
    return row;
  }));
}

// Something that changes: says what it does to how many, wants a reason, and says what came of it.
function askSure(what, whom, go, act, long = false) {
  sure = act;
  at("sure-what").textContent = what;
  at("sure-whom").textContent = whom;
  at("sure-how-long").hidden = !long;
  at("sure-go").textContent = go;
  at("sure-wrong").textContent = "";
  at("why").value = "";
  at("sure").showModal();
  at("why").focus();
}

function endOne(session) {
  askSure("End 1 session", plain(session.user ?? "nobody yet") + " from " + plain(session.ip), "end it",
    (why) => call("POST", "/api/v1/kill", { filter: { sid: session.sid }, dry_run: false, why }));
}

async function endThese() {
  const filter = Object.fromEntries(words(at("filter").value));
  try {
    const told = await call("POST", "/api/v1/kill", { filter, dry_run: true });
    const users = [...new Set(told.sessions.map((session) => session.user ?? session.ip))];
    askSure("End " + number(told.matched) + " sessions", users.slice(0, 8).map((user) => plain(user)).join(", ") + (users.length > 8 ? " …" : ""),
      "end " + number(told.matched), (why) => call("POST", "/api/v1/kill", { filter, dry_run: false, why }));
  } catch (error) {
    needs(error);
  }
}

function lock(user) {
  askSure("Lock out", plain(user) + ": no login, and open sessions end", "lock out", (why) => {
    const until = new Date(Date.now() + 1000 * Number(at("until").value)).toISOString();
    return call("POST", "/api/v1/locks", { user, until, why });
  }, true);
}

function unlock(lock) {
  askSure("Let in again", plain(lock.user ?? lock.client_ip), "let in",
    (why) => call("DELETE", "/api/v1/locks/" + encodeURIComponent(lock.id) + "?why=" + encodeURIComponent(why)));
}

// Why something was not done; who has no token yet is asked for one.
function needs(error) {
  if (error instanceof Refused && error.status === 401) return askToken(error.message);
  at("counted").textContent = error.message;
}

// `user:ann* older:1h`; a word alone is part of a user's name.
function words(text) {
  return text.split(/\s+/u).filter(Boolean).map((word) => {
    const colon = word.indexOf(":");
    return colon < 1 ? ["user", "*" + word + "*"] : [word.slice(0, colon), word.slice(colon + 1)];
  });
}

function ask(event) {
  event?.preventDefault();
  asked = "&sort=" + at("sort").value + words(at("filter").value)
    .map(([key, value]) => "&" + encodeURIComponent(key) + "=" + encodeURIComponent(value)).join("");
  skip = [0];
  refresh();
}

at("asked").addEventListener("submit", ask);
at("sort").addEventListener("change", ask);
at("end-these").addEventListener("click", endThese);
at("sign").addEventListener("click", () => askToken(""));
at("next").addEventListener("click", () => { skip.push(Number(at("next").dataset.cursor)); refresh(); });
at("back").addEventListener("click", () => { skip.pop(); refresh(); });
at("pause").addEventListener("click", () => {
  paused = !paused;
  at("pause").setAttribute("aria-pressed", String(paused));
  at("pause").textContent = paused ? "go on" : "pause";
});
at("token").addEventListener("close", () => {
  if (at("secret").value) token = at("secret").value.trim();
  at("secret").value = "";
  refresh();
});
at("sure").addEventListener("submit", async (event) => {
  if (event.submitter?.value !== "go") return;
  event.preventDefault();
  try {
    await sure(at("why").value.trim());
    at("sure").close();
  } catch (error) {
    if (error instanceof Refused && error.status === 401) { at("sure").close(); askToken(error.message); }
    else at("sure-wrong").textContent = error.message;
  }
  refresh();
});
document.addEventListener("visibilitychange", refresh);
setInterval(() => {
  if (got && document.body.dataset.state === "live" && Date.now() - got > STALE) state("stale", "as of " + span((Date.now() - got) / 1000) + " ago");
}, 1000);
refresh();
