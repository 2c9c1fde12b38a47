// The administrator's dashboard of the demo.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { audit } from "../lib/audit.mjs";
import { desktop, device, launch, login, narrow, phone, status } from "../lib/browser.mjs";
import { start } from "../lib/server.mjs";

const folder = new URL("../screenshots/", import.meta.url).pathname;
let demo, readOnly, browser;
before(async () => {
  mkdirSync(folder, { recursive: true });
  demo = await start();
  readOnly = await start("-read_only_admin");
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await demo?.stop();
  await readOnly?.stop();
});

async function administrator(options = {}, url = demo.url) {
  const page = await device(browser, url, options);
  await login(page, "admin");
  return page;
}

const live = (page) => page.locator("#live[data-link=open]").waitFor();

test("only the administrator gets the dashboard and its API", async () => {
  const visitor = await device(browser, demo.url);
  await visitor.goto("/admin/");
  await visitor.getByRole("heading", { name: "Log in" }).waitFor();
  const user = await device(browser, demo.url);
  await login(user, "alice");
  for (const path of ["/admin/", "/admin/sessions", "/admin/live", "/admin/api/stats", "/admin/api/events"]) {
    assert.equal(await status(user, path), 403, path);
  }
  assert.equal(await status(user, "/admin/api/revoke-all", "POST"), 403);
  assert.equal(await user.getByRole("navigation").getByRole("link", { name: "Admin" }).count(), 0);
});

test("figures, plots and the log move without a reload, and stop when paused", async () => {
  const page = await administrator();
  await page.getByRole("link", { name: "Admin" }).click();
  await live(page);
  await page.waitForFunction(() => document.querySelector("#tile-reads").textContent !== "–");
  const user = await device(browser, demo.url, phone);
  await login(user, "alice");
  await page.locator("#events").getByRole("link", { name: "alice" }).first().waitFor();
  await user.goto("/storm");
  await user.getByRole("button", { name: "Start a storm" }).click();
  await page.waitForFunction(() => Number(document.querySelector("#tile-writes").textContent.replace(",", "")) > 1000);
  await page.waitForFunction(() => Number(document.querySelector("#tile-batch").textContent) > 10);
  assert.equal(await page.locator(".plot canvas").count(), 5);
  await user.waitForFunction(() => Number(document.querySelector("[data-live=per_commit]").textContent) > 100);
  await page.screenshot({ path: `${folder}admin-storm.png`, fullPage: true });

  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("Paused").waitFor();
  const late = await device(browser, demo.url);
  await login(late, "carol");
  const news = page.locator("#events").getByRole("link", { name: "carol" });
  assert.equal(await news.count(), 0);
  await page.getByRole("button", { name: "Go on" }).click();
  await live(page);
  await news.first().waitFor(); // what happened meanwhile is not lost
  assert.deepEqual(page.faults, []);
});

test("revoking a session ends it at the other browser's next click", async () => {
  const user = await device(browser, demo.url, phone);
  await login(user, "bob");
  const page = await administrator();
  await page.goto("/admin/sessions");
  await page.getByLabel("User").fill("bob");
  await page.getByLabel("Device").fill("iphone");
  await page.getByRole("button", { name: "Search" }).click();
  const row = page.getByRole("row").filter({ hasText: "bob" });
  assert.equal(await row.count(), 1);
  await row.getByRole("link", { name: /^Revoke/ }).click();
  await page.getByRole("heading", { name: "Revoke this session" }).waitFor();
  assert.equal(await status(user, "/api/me"), 200, "the confirmation has ended the session already");
  await page.getByRole("button", { name: "Revoke the session" }).click();
  await page.getByText("The session was revoked.").waitFor();
  await user.getByRole("link", { name: "Session" }).click();
  await user.getByRole("heading", { name: "Log in" }).waitFor();
  await page.getByRole("link", { name: "Go on" }).click();
  await page.getByRole("heading", { name: "No session matches" }).waitFor();
});

test("log out this user ends all of them and no other", async () => {
  const devices = [await device(browser, demo.url), await device(browser, demo.url, phone)];
  for (const user of devices) await login(user, "carol");
  const other = await device(browser, demo.url);
  await login(other, "bob");
  const page = await administrator();
  await page.goto("/admin/sessions?user=carol");
  await page.getByRole("link", { name: /^Log out user/ }).first().click();
  await page.getByRole("button", { name: "Log out the user" }).click();
  await page.getByText(/^\d sessions ended\.$/).waitFor();
  for (const user of devices) assert.equal(await status(user, "/api/me"), 401);
  assert.equal(await status(other, "/api/me"), 200);
});

test("the keyboard alone is enough to revoke a session", async () => {
  const user = await device(browser, demo.url);
  await login(user, "alice");
  const page = await administrator();
  await page.goto("/admin/");
  const focus = async (name) => {
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press("Tab");
      const text = await page.evaluate(() => document.activeElement.labels?.[0]?.textContent.trim() || document.activeElement.textContent.trim());
      if (text.startsWith(name)) return;
    }
    assert.fail(`the keyboard does not reach ${name}`);
  };
  await focus("Skip to the content");
  await focus("Sessions");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/admin/sessions");
  await focus("User");
  await page.keyboard.type("alice");
  await page.keyboard.press("Enter");
  await page.waitForURL("**user=alice**");
  await focus("Log out user");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/confirm/**");
  await focus("Log out the user");
  await page.keyboard.press("Enter");
  await page.getByText("ended.").waitFor();
  assert.equal(await status(user, "/api/me"), 401);
});

test("a read-only dashboard shows everything and changes nothing", async () => {
  const page = await administrator({}, readOnly.url);
  await page.goto("/admin/sessions");
  assert.equal(await page.getByRole("row").count(), 2);
  for (const path of ["/admin/", "/admin/sessions"]) {
    await page.goto(path);
    assert.equal(await page.locator("a[href*=confirm], form[method=post]").count(), 0, path);
  }
  const refused = await page.evaluate(async () => (await fetch("/admin/api/revoke-all", { method: "POST", headers: { "Sessile-Admin": "1" } })).status);
  assert.equal(refused, 403);
  assert.equal(await status(page, "/api/me"), 200);
});

test("without JavaScript the pages work, and log out everybody needs its word", async () => {
  const own = await start();
  try {
    const page = await administrator({ javaScriptEnabled: false }, own.url);
    await page.goto("/admin/");
    assert.equal(await page.locator("#tile-hot").textContent(), "1");
    await page.getByRole("link", { name: "Log out everybody" }).click();
    await page.getByLabel(/Type/).fill("nobody");
    await page.getByRole("button", { name: "Log out everybody" }).click();
    await page.getByRole("alert").waitFor();
    await page.getByLabel(/Type/).fill("everybody");
    await page.getByRole("button", { name: "Log out everybody" }).click();
    await page.getByText("1 session ended.").waitFor();
    await page.goto("/admin/");
    await page.getByRole("heading", { name: "Log in" }).waitFor();
  } finally {
    await own.stop();
  }
});

test("the page says so when the server is gone", async () => {
  const own = await start();
  const page = await administrator({}, own.url);
  await page.goto("/admin/");
  await live(page);
  await own.stop();
  await page.locator("#live[data-link=lost]").waitFor();
  await page.getByText(/Connection lost|Not live/).waitFor();
});

const pages = {
  "admin-overview": { path: "/admin/", prepare: (page) => page.locator("#plots[data-samples='5']").waitFor() },
  "admin-sessions": { path: "/admin/sessions" },
  "admin-none": { path: "/admin/sessions?user=nobody" },
  "admin-session": { path: "/admin/sessions", prepare: (page) => page.getByRole("rowheader").getByRole("link").first().click() },
  "admin-confirm": { path: "/admin/confirm/revoke-user?user=alice" },
  "admin-everybody": { path: "/admin/confirm/revoke-all" },
  "admin-missing": { path: "/admin/nowhere" },
};

for (const [width, options] of Object.entries({ narrow, phone, desktop })) {
  for (const colorScheme of width === "narrow" ? ["light"] : ["light", "dark"]) {
    test(`${width}, ${colorScheme}: every page of the dashboard is readable and names its controls`, async () => {
      const page = await administrator({ ...options, colorScheme });
      const hosts = new Set();
      page.on("request", (request) => hosts.add(new URL(request.url()).origin));
      for (const agent of [desktop, phone]) await login(await device(browser, demo.url, agent), "alice");
      for (const [name, { path, prepare }] of Object.entries(pages)) {
        page.faults.length = 0;
        await page.goto(path);
        await prepare?.(page);
        await page.screenshot({ path: `${folder}${name}-${width}-${colorScheme}.png`, fullPage: true });
        assert.deepEqual(await page.evaluate(audit), [], name);
        const expected = name === "admin-missing" ? /status of 404/ : /^$/;
        assert.deepEqual(page.faults.filter((fault) => !expected.test(fault)), [], name);
      }
      assert.deepEqual([...hosts], [demo.url], "the dashboard asks another host");
    });
  }
}
