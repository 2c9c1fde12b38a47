// Every main page, on a phone and a desktop, light and dark: looked at by the
// audit here, and by a person in the screenshots.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { audit } from "../lib/audit.mjs";
import { desktop, device, launch, login, phone } from "../lib/browser.mjs";
import { start } from "../lib/server.mjs";

const folder = new URL("../screenshots/", import.meta.url).pathname;
let demo, browser;
before(async () => {
  mkdirSync(folder, { recursive: true });
  demo = await start("-fresh_for", "1ms", "-store.max_sessions_per_user", "50");
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
  live: { path: "/live", prepare: (page) => page.locator("#live[data-state=open]").waitFor() },
  confirm: { path: "/account" },
  missing: { path: "/nowhere" },
};

for (const [width, options] of Object.entries({ phone, desktop })) {
  for (const colorScheme of ["light", "dark"]) {
    test(`${width}, ${colorScheme}: every page is readable and names its controls`, async () => {
      const others = [await device(browser, demo.url, phone), await device(browser, demo.url)];
      for (const other of others) await login(other, "bob");
      for (const [name, { path, anonymous, prepare }] of Object.entries(pages)) {
        const page = await device(browser, demo.url, { ...options, colorScheme });
        if (!anonymous) await login(page, "bob");
        await page.goto(path);
        await prepare?.(page);
        await page.screenshot({ path: `${folder}${name}-${width}-${colorScheme}.png`, fullPage: true });
        assert.deepEqual(await page.evaluate(audit), [], name);
        const expected = ["missing", "login-refused"].includes(name) ? /status of 40/ : /^$/;
        assert.deepEqual(page.faults.filter((fault) => !expected.test(fault)), [], name);
        await page.context().close();
      }
      await Promise.all(others.map((other) => other.context().close()));
    });
  }
}
