// The browser, its devices, and helpers that every test needs.
import { chromium } from "playwright-core";

export const password = "sessile-demo";

// The user agent of a headless Chromium says so, and would be classified as a bot.
export const desktop = {
  viewport: { width: 1280, height: 800 },
  userAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
};
export const phone = {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  hasTouch: true,
  isMobile: true,
  userAgent:
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
};
// The narrowest window that pages must fit (WCAG 2.2, 1.4.10). A mobile viewport
// would grow with a page that is too wide, and hide the problem.
export const narrow = { ...phone, isMobile: false, viewport: { width: 320, height: 640 } };

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
}

// Each context is a separate device. Errors on the page's console (for example a
// refused script or style) are collected in page.faults.
export async function device(browser, url, options = {}) {
  const context = await browser.newContext({ baseURL: url, ignoreHTTPSErrors: true, ...desktop, ...options });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  page.faults = [];
  page.on("console", (message) => message.type() === "error" && page.faults.push(message.text()));
  page.on("pageerror", (error) => page.faults.push(String(error)));
  return page;
}

export async function login(page, name, secret = password) {
  await page.goto("/login");
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(secret);
  await page.getByRole("main").getByRole("button", { name: "Log in" }).click();
}

// The session cookie as Chromium reports it, or undefined.
export async function sessionCookie(page) {
  const cookies = await page.context().cookies();
  return cookies.find((cookie) => cookie.name.endsWith("session"));
}

// The status of a fetch of path by the page.
export function status(page, path, method = "GET") {
  return page.evaluate(async ([path, method]) => (await fetch(path, { method })).status, [path, method]);
}
