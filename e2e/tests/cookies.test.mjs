import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { device, launch, login, sessionCookie, status } from "../lib/browser.mjs";
import { start } from "../lib/server.mjs";

let secure, plain, browser;
before(async () => {
  [secure, plain] = [await start("-tls"), await start()];
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await Promise.all([secure?.stop(), plain?.stop()]);
});

test("over HTTPS, Chromium keeps a __Host- cookie with every flag", async () => {
  const page = await device(browser, secure.url);
  await login(page, "alice");
  await page.getByText("Logged in as alice").waitFor();
  const { name, domain, path, httpOnly, secure: onlyHTTPS, sameSite, expires } = await sessionCookie(page);
  assert.deepEqual(
    { name, domain, path, httpOnly, onlyHTTPS, sameSite },
    { name: "__Host-session", domain: "127.0.0.1", path: "/", httpOnly: true, onlyHTTPS: true, sameSite: "Lax" },
  );
  assert.ok(expires * 1000 > Date.now() && expires * 1000 < Date.now() + 400 * 86_400_000, "expires " + expires);
  assert.equal(await page.evaluate(() => document.cookie), "", "a script can read the cookie");
  assert.deepEqual(page.faults, []);

  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByText("You are logged out").waitFor();
  assert.equal(await sessionCookie(page), undefined);
});

test("remember me makes the cookie last longer", async () => {
  const page = await device(browser, secure.url);
  await login(page, "bob");
  const short = (await sessionCookie(page)).expires;
  await page.getByRole("button", { name: "Log out" }).click();
  await page.goto("/login");
  await page.getByLabel("Name").fill("bob");
  await page.getByLabel("Password").fill("sessile-demo");
  await page.getByLabel(/Remember me/).check();
  await page.getByRole("main").getByRole("button", { name: "Log in" }).click();
  await page.getByText("Logged in as bob").waitFor();
  assert.ok((await sessionCookie(page)).expires > short + 20 * 86_400);
});

test("over plain HTTP on loopback the cookie has no prefix, but HttpOnly and SameSite", async () => {
  const page = await device(browser, plain.url);
  await login(page, "alice");
  const { name, httpOnly, secure: onlyHTTPS, sameSite } = await sessionCookie(page);
  assert.deepEqual({ name, httpOnly, onlyHTTPS, sameSite }, { name: "session", httpOnly: true, onlyHTTPS: false, sameSite: "Lax" });
});

test("a form on another origin is refused, even on the same site", async () => {
  // Another port of 127.0.0.1 is same-site, so SameSite=Lax sends the cookie.
  // The cross-origin check refuses the request.
  const page = await device(browser, plain.url);
  await login(page, "alice");
  const evil = createServer((_, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end(`<form method="post" action="${plain.url}/devices/logout-all"><button>You have won</button></form>`);
  });
  await new Promise((resolve) => evil.listen(0, "127.0.0.1", resolve));
  try {
    await page.goto(`http://127.0.0.1:${evil.address().port}/`);
    const [response] = await Promise.all([page.waitForNavigation(), page.getByRole("button").click()]);
    assert.equal(response.status(), 403);
    assert.match(response.request().headers()["cookie"] ?? (await response.request().allHeaders())["cookie"] ?? "", /session=/);
  } finally {
    evil.close();
  }
  await page.goto("/");
  assert.equal(await status(page, "/api/me"), 200);
});
