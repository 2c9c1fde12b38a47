import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { device, launch, login, phone } from "../lib/browser.mjs";
import { start } from "../lib/server.mjs";

let demo, browser;
before(async () => {
  demo = await start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await demo?.stop();
});

test("the live page keeps streaming across changes and rotation, and ends with its session", async () => {
  const page = await device(browser, demo.url);
  await login(page, "alice");
  await page.goto("/live");
  await page.locator("#live[data-state=open]").waitFor();

  const tab = await page.context().newPage();
  await tab.goto("/session");
  const count = (n) => page.locator("[data-live=count]", { hasText: new RegExp(`^${n}$`) }).waitFor();
  await tab.getByRole("button", { name: "Count" }).click();
  await count(1);
  await tab.getByRole("button", { name: "Replace the token" }).click();
  await page.locator("#events").getByText("token").waitFor();
  await tab.getByRole("button", { name: "Count" }).click();
  await count(2);

  const mobile = await device(browser, demo.url, phone);
  await login(mobile, "alice");
  await page.locator("[data-live=devices]", { hasText: /^2$/ }).waitFor();
  await mobile.goto("/devices");
  await mobile.getByRole("button", { name: "Log out other devices" }).click();
  await page.locator("#live[data-state=ended]").waitFor();
  assert.match(await page.locator("#state").textContent(), /ended/);
});

test("the live page keeps its log when its own button is pressed, and names devices", async () => {
  const page = await device(browser, demo.url);
  await login(page, "carol");
  await page.goto("/live");
  await page.locator("#live[data-state=open]").waitFor();
  const mobile = await device(browser, demo.url, phone);
  await login(mobile, "carol");
  const arrival = page.locator("#events").getByText("Safari on iPhone has logged in.");
  await arrival.waitFor();
  await page.locator("#live").getByRole("button", { name: "Count" }).click();
  await page.locator("[data-live=count]", { hasText: /^1$/ }).waitFor();
  assert.equal(await arrival.count(), 1);
  await mobile.getByRole("button", { name: "Log out" }).first().click();
  await page.locator("#events").getByText("Safari on iPhone was logged out.").waitFor();
});

test("the countdowns count down", async () => {
  const page = await device(browser, demo.url);
  await login(page, "bob");
  await page.goto("/session");
  const timer = page.getByRole("region", { name: "Idle timeout" }).getByRole("timer");
  const first = await timer.textContent();
  assert.match(first, /^\d+:\d\d$/);
  await page.waitForFunction((text) => document.querySelector("[data-left]").textContent !== text, first);
});
