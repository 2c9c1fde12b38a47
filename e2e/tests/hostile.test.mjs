// What attackers choose: user IDs, User-Agents, addresses and parameters. Nothing of it runs in the dashboard.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { audit } from "../lib/audit.mjs";
import { device, launch, login } from "../lib/browser.mjs";
import { start } from "../lib/server.mjs";

const folder = new URL("../screenshots/", import.meta.url).pathname;
let demo, browser;
before(async () => {
  mkdirSync(folder, { recursive: true });
  demo = await start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await demo?.stop();
});

const hostile = [
  `<script>owned("script")</script>`,
  `<img src=x onerror=owned("img")>`,
  `"><svg onload=owned("svg")>`,
  `' autofocus onfocus=owned("focus") x='`,
  `javascript:owned("url")`,
  `</title></style></script><iframe srcdoc="<script>parent.owned(1)</script>">`,
  "{{.Store}} ${owned(2)}",
  `\u202egnitrevni\u2066 \u009b31m \x1b]0;x\x07`,
];

// plant writes the session of each hostile user into the file beside the demo, as a copy of the newest row.
function plant() {
  const text = (s) => `CAST(x'${Buffer.from(s).toString("hex")}' AS TEXT)`;
  const columns = "rotated_until, rotated_at, auth_at, fingerprint, created_at, ttl, version, data, defaults";
  const script = hostile.map((s) => `
    INSERT INTO session (id, token_hash, user_id, ip_address, user_agent, device_name, device_type, ${columns})
      SELECT randomblob(16), randomblob(32), ${text(s)}, ${text(s.slice(0, 40))}, ${text(s)}, ${text(s)}, ${text(s.slice(0, 8))}, ${columns}
      FROM session ORDER BY key LIMIT 1;
    INSERT INTO activity (key, last_active, expires_at, deadline)
      SELECT last_insert_rowid(), last_active, expires_at, deadline FROM activity ORDER BY key LIMIT 1;`);
  execFileSync("sqlite3", ["-bail", demo.file], { input: `PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE;${script.join("")} COMMIT;` });
}

// An administrator whose page reports scripts that ran, dialogs, and violations of the content policy.
async function administrator() {
  const page = await device(browser, demo.url, { userAgent: hostile[0] });
  page.found = [];
  await page.exposeFunction("owned", (what) => page.found.push(`ran: ${what}`));
  await page.exposeFunction("violated", (what) => page.found.push(`violated: ${what}`));
  await page.addInitScript(() => addEventListener("securitypolicyviolation", (e) => window.violated(`${e.violatedDirective} ${e.sample}`)));
  page.on("dialog", (dialog) => (page.found.push(`dialog: ${dialog.message()}`), dialog.dismiss()));
  await login(page, "admin");
  return page;
}

// Nothing ran, and no script or style had to be stopped by the policy either: the pages escape.
const clean = (page) => assert.deepEqual([...page.found, ...page.faults], []);

test("HTML in user IDs, devices and addresses is text in every page of the dashboard", async () => {
  const page = await administrator();
  plant();
  await page.goto("/admin/sessions");
  assert.equal(await page.getByRole("row").count(), 2 + hostile.length);
  for (const s of hostile.slice(0, -1)) assert.ok(await page.getByRole("rowheader", { name: s, exact: true }).count(), s);
  await page.screenshot({ path: `${folder}hostile-sessions.png`, fullPage: true });
  assert.deepEqual(await page.evaluate(audit), []);
  clean(page);

  for (const s of hostile) {
    await page.goto(`/admin/sessions?user=${encodeURIComponent(s)}`);
    assert.equal(await page.getByRole("row").count(), 2, s);
    await page.goto(`/admin/sessions?device=${encodeURIComponent(s)}&ip=${encodeURIComponent(s.slice(0, 40))}`);
    await page.getByRole("rowheader").getByRole("link").first().click();
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.goto(`/admin/confirm/revoke-user?user=${encodeURIComponent(s)}`);
    await page.getByRole("button", { name: "Log out the user" }).click();
    await page.getByText("1 session ended.").waitFor();
    clean(page);
  }

  // The log of events has those users now.
  await page.goto("/admin/");
  await page.locator("#live[data-link=open]").waitFor();
  await page.locator("#events").getByRole("link", { name: hostile[0], exact: true }).waitFor();
  await page.screenshot({ path: `${folder}hostile-events.png`, fullPage: true });
  clean(page);
});

test("parameters that are hostile, unknown or huge are refused, and change nothing", async () => {
  const page = await administrator();
  const huge = "a".repeat(1 << 20), unknown = "01JY5TZX3PQ0R1S2T3V4W5X6Y7";
  const ask = (path, body) =>
    page.evaluate(async ([path, body]) => {
      const init = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body };
      return (await fetch(path, init)).status;
    }, [path, body]);
  const q = encodeURIComponent;
  for (const [path, body, status] of [
    [`/admin/api/sessions?user=${huge}`, undefined, 431],
    [`/admin/api/sessions?user=${"a".repeat(600)}`, undefined, 400],
    [`/admin/api/sessions?after=${q(hostile[0])}`, undefined, 400],
    [`/admin/api/sessions?limit=${q(hostile[0])}`, undefined, 400],
    [`/admin/api/sessions/${unknown}`, undefined, 404],
    [`/admin/api/sessions/${q(hostile[1])}`, undefined, 400],
    [`/admin/api/sessions/${unknown}/revoke`, "{}", 200],
    [`/admin/api/backup`, JSON.stringify({ name: huge }), 413],
    [`/admin/api/backup`, JSON.stringify({ name: "../x" }), 403],
  ]) {
    assert.equal(await ask(path, body), status, `${path.slice(0, 80)} ${(body ?? "").slice(0, 40)}`);
  }
  page.faults.length = 0; // Chromium logs the statuses
  for (const path of [`/admin/sessions?after=${q(hostile[0])}`, `/admin/sessions/${q(hostile[2])}`, `/admin/${q(hostile[1])}`, `/admin/confirm/${q(hostile[0])}`]) {
    await page.goto(path);
    await page.getByRole("heading", { level: 1 }).waitFor();
  }
  assert.deepEqual(page.faults.filter((fault) => !/status of 40/.test(fault)), []);
  assert.deepEqual(page.found, []);
});
