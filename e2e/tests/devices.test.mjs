import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { device, launch, login, phone, sessionCookie, status } from "../lib/browser.mjs";
import { start } from "../lib/server.mjs";

let demo, browser;
before(async () => {
  demo = await start("-fresh_for", "3s");
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await demo?.stop();
});

async function twoDevices(name) {
  const pair = [await device(browser, demo.url), await device(browser, demo.url, phone)];
  for (const page of pair) await login(page, name);
  return pair;
}

test("revoking the other device logs it out at its next click", async () => {
  const [laptop, mobile] = await twoDevices("alice");
  await laptop.goto("/devices");
  const cards = laptop.getByRole("main").getByRole("listitem");
  assert.equal(await cards.count(), 2);
  assert.equal(await cards.filter({ hasText: "This device" }).count(), 1);
  const other = cards.filter({ hasNotText: "This device" });
  assert.match(await other.textContent(), /Safari on iOS|Safari on iPhone/);
  assert.match(await other.textContent(), /127\.0\.0\.1/);

  const dead = await sessionCookie(mobile);
  await other.getByRole("button").click();
  await laptop.getByText("The device was logged out").waitFor();
  assert.equal(await cards.count(), 1);

  await mobile.getByRole("link", { name: "Session" }).click();
  await mobile.getByRole("heading", { name: "Log in" }).waitFor();
  await mobile.getByText("Your session has ended").waitFor(); // a guest session carries this text to the page
  assert.notEqual((await sessionCookie(mobile))?.value, dead.value, "the dead cookie is not replaced");
  assert.equal(await status(mobile, "/api/me"), 401);
  assert.equal(await status(laptop, "/api/me"), 200);
});

test("logging out other devices leaves this one, logging out everywhere leaves none", async () => {
  const [laptop, mobile] = await twoDevices("bob");
  await laptop.goto("/devices");
  await laptop.getByRole("button", { name: "Log out other devices" }).click();
  await laptop.getByText("1 other device was logged out").waitFor();
  assert.equal(await status(mobile, "/api/me"), 401);

  await login(mobile, "bob");
  await mobile.goto("/devices");
  await mobile.getByRole("button", { name: "Log out everywhere" }).click();
  await mobile.getByText("You are logged out").waitFor();
  assert.equal(await status(laptop, "/api/me"), 401);
  assert.equal(await status(mobile, "/api/me"), 401);
});

test("rotation with ten parallel fetches never logs the page out", async () => {
  const page = await device(browser, demo.url);
  await login(page, "alice");
  await page.goto("/session");
  for (let round = 0; round < 20; round++) {
    const before = (await sessionCookie(page)).value;
    // One request rotates while nine others use the same cookie. In every third round all ten rotate:
    // one wins, and the losers (409, or 401 if later) do not change the cookie.
    const statuses = await page.evaluate(
      (all) =>
        Promise.all(
          Array.from({ length: 10 }, async (_, i) =>
            i === 5 || all ? (await fetch("/api/rotate", { method: "POST" })).status : (await fetch("/api/me")).status,
          ),
        ),
      round % 3 === 2,
    );
    assert.ok(statuses.includes(204), "no rotation succeeded: " + statuses);
    assert.ok(statuses.every((s) => [200, 204, 401, 409].includes(s)), "round " + round + ": " + statuses);
    assert.equal(await status(page, "/api/me"), 200, "logged out in round " + round);
    assert.notEqual((await sessionCookie(page)).value, before);
  }
  await page.reload();
  await page.getByRole("heading", { name: "Your session" }).waitFor();
});

test("a sensitive action asks for the password again, and ends the other devices", async () => {
  const [laptop, mobile] = await twoDevices("carol");
  // The login counts as a recent authentication for 3 s.
  for (let tries = 0; new URL(laptop.url()).pathname !== "/confirm"; tries++) {
    assert.ok(tries < 100, "the authentication never gets old");
    await laptop.goto("/account");
    await laptop.waitForTimeout(100);
  }
  await laptop.getByLabel("Password").fill("not mine");
  await laptop.getByRole("button", { name: "Confirm" }).click();
  await laptop.getByRole("alert").waitFor();

  const before = (await sessionCookie(laptop)).value;
  await laptop.getByLabel("Password").fill("sessile-demo");
  await laptop.getByRole("button", { name: "Confirm" }).click();
  await laptop.getByRole("heading", { name: "Change your password" }).waitFor();
  assert.notEqual((await sessionCookie(laptop)).value, before, "re-authentication kept the token");

  await laptop.getByLabel("New password").fill("barnacle-weather");
  await laptop.getByRole("button", { name: "Change password" }).click();
  await laptop.getByText("Your password was changed").waitFor();
  assert.equal(await status(laptop, "/api/me"), 200);
  assert.equal(await status(mobile, "/api/me"), 401);
  await login(mobile, "carol");
  await mobile.getByRole("alert").waitFor();
  await login(mobile, "carol", "barnacle-weather");
  await mobile.getByText("Logged in as carol").waitFor();
});
