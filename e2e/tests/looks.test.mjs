// Every main page on a phone and a desktop, light and dark. The audit checks it
// here, and a person checks the screenshots.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { audit } from "../lib/audit.mjs";
import { desktop, device, launch, login, narrow, phone } from "../lib/browser.mjs";
import { start } from "../lib/server.mjs";

const folder = new URL("../screenshots/", import.meta.url).pathname;
let demo, browser;
before(async () => {
  mkdirSync(folder, { recursive: true });
  demo = await start("-fresh_for", "1ms");
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await demo?.stop();
});

const pages = {
  login: { path: "/login", anonymous: true },
  "login-refused": {
    path: "/login",
    anonymous: true,
    prepare: (page) => login(page, "alice", "wrong password").then(() => page.getByRole("alert").waitFor()),
  },
  shop: { path: "/", anonymous: true },
  "shop-cart": { path: "/", prepare: (page) => page.getByRole("button", { name: "Add Coral to the cart" }).click() },
  session: { path: "/session" },
  devices: { path: "/devices" },
  storm: { path: "/storm", prepare: (page) => page.locator("#live[data-state=open]").waitFor() },
  live: { path: "/live", prepare: (page) => page.locator("#live[data-state=open]").waitFor() },
  confirm: { path: "/account" },
  missing: { path: "/nowhere" },
};

async function look(page, folderName, name, { path, prepare }) {
  page.faults.length = 0;
  await page.goto(path);
  await prepare?.(page);
  await page.screenshot({ path: `${folder}${name}-${folderName}.png`, fullPage: true });
  assert.deepEqual(await page.evaluate(audit), [], name);
  // Chromium itself logs the expected statuses.
  const expected = ["missing", "login-refused"].includes(name) ? /status of 40/ : /^$/;
  assert.deepEqual(page.faults.filter((fault) => !expected.test(fault)), [], name);
}

for (const [width, options] of Object.entries({ narrow, phone, desktop })) {
  for (const colorScheme of width === "narrow" ? ["light"] : ["light", "dark"]) {
    test(`${width}, ${colorScheme}: every page is readable and names its controls`, async () => {
      const visitor = await device(browser, demo.url, { ...options, colorScheme });
      const user = await device(browser, demo.url, { ...options, colorScheme });
      const other = await device(browser, demo.url, width === "desktop" ? phone : desktop);
      for (const page of [other, user]) await login(page, "bob");
      for (const [name, page] of Object.entries(pages)) {
        await look(page.anonymous ? visitor : user, `${width}-${colorScheme}`, name, page);
      }
      await login(visitor, "admin"); // has the most links
      await look(visitor, `${width}-${colorScheme}`, "shop-admin", pages.shop);
      await user.goto("/devices");
      await user.getByRole("button", { name: "Log out everywhere" }).click();
      await Promise.all([visitor, user, other].map((page) => page.context().close()));
    });
  }
}
