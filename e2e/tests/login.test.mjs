import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { device, launch, login, sessionCookie, status } from "../lib/browser.mjs";
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

test("a visitor who only looks gets no cookie", async () => {
  const page = await device(browser, demo.url);
  await page.goto("/");
  assert.equal(await sessionCookie(page), undefined);
});

test("a guest's cart is kept at login, under a new token", async () => {
  const page = await device(browser, demo.url);
  await page.goto("/");
  await page.getByRole("button", { name: "Add Barnacle to the cart" }).click();
  await page.getByRole("button", { name: "Add Coral to the cart" }).click();
  const guest = await sessionCookie(page);
  assert.ok(guest, "the guest has no session");

  await login(page, "alice");
  const cart = page.getByRole("region", { name: "Your cart" });
  await cart.getByText("1 × Barnacle").waitFor();
  await cart.getByText("1 × Coral").waitFor();
  assert.notEqual((await sessionCookie(page)).value, guest.value);

  // The guest's token is dead, so session fixation gains nothing.
  const thief = await device(browser, demo.url);
  await thief.context().addCookies([{ ...guest, url: demo.url, domain: undefined, path: undefined }]);
  await thief.goto("/");
  await thief.getByText("Nothing in it yet.").waitFor();
  assert.equal(await status(thief, "/api/me"), 401);
});

test("a wrong password and an unknown name get the same answer, and no session", async () => {
  const page = await device(browser, demo.url);
  const answers = [];
  for (const name of ["alice", "nobody"]) {
    await login(page, name, "wrong password");
    answers.push(await page.getByRole("alert").textContent());
    assert.equal(await page.getByLabel("Name").inputValue(), name);
  }
  assert.equal(answers[0], answers[1]);
  assert.equal(await status(page, "/api/me"), 401);
});

test("login works with the keyboard alone", async () => {
  const page = await device(browser, demo.url);
  await page.goto("/login");
  await page.keyboard.type("bob");
  await page.keyboard.press("Tab");
  await page.keyboard.type("sessile-demo");
  await page.keyboard.press("Enter");
  await page.getByText("Logged in as bob").waitFor();
});

test("login leads back to the page that asked for it, and nowhere else", async () => {
  const page = await device(browser, demo.url);
  await page.goto("/devices");
  await page.getByLabel("Name").fill("bob");
  await page.getByLabel("Password").fill("sessile-demo");
  await page.getByRole("main").getByRole("button", { name: "Log in" }).click();
  await page.getByRole("heading", { name: "Your devices" }).waitFor();

  for (const next of ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"]) {
    const other = await device(browser, demo.url);
    await other.goto("/login?next=" + encodeURIComponent(next));
    await other.getByLabel("Name").fill("bob");
    await other.getByLabel("Password").fill("sessile-demo");
    await other.getByRole("main").getByRole("button", { name: "Log in" }).click();
    await other.getByText("Logged in as bob").waitFor();
    assert.equal(new URL(other.url()).origin, demo.url, next);
    await other.context().close();
  }
});

test("everything but the live page works without JavaScript", async () => {
  const page = await device(browser, demo.url, { javaScriptEnabled: false });
  await login(page, "carol");
  await page.goto("/session");
  await page.getByRole("button", { name: "Count" }).click();
  await page.getByRole("button", { name: "Count" }).click();
  assert.equal(await page.locator("#count").textContent(), "2");
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByText("You are logged out").waitFor();
});

test("after logging out, the back button shows nothing private", async () => {
  const page = await device(browser, demo.url);
  await login(page, "alice");
  for (const path of ["/session", "/devices", "/"]) await page.goto(path);
  const id = await page.evaluate(async () => (await (await fetch("/api/me")).json()).session.id);
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByText("You are logged out").waitFor();
  for (let back = 0; back < 3; back++) {
    await page.goBack();
    const shown = await page.content();
    assert.ok(!shown.includes(id), "the session id is shown at " + page.url());
    assert.ok(!shown.includes("Logged in as"), "somebody is logged in at " + page.url());
    assert.ok(!shown.includes("What the server knows") && !shown.includes("This device"), page.url());
  }
  assert.equal(await sessionCookie(page), undefined);
});
