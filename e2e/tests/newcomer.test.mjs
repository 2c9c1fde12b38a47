// The path of somebody who has just cloned the repository: make demo, log in, look at the dashboard, and log
// a user out from another terminal. Each step writes a screenshot.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { device, launch, login, phone } from "../lib/browser.mjs";

const folder = new URL("../screenshots/", import.meta.url).pathname;
const root = new URL("../../", import.meta.url).pathname;
const limit = 120_000;

let dir, clone, env, browser, demo;
before(async () => {
  mkdirSync(folder, { recursive: true });
  dir = mkdtempSync(join(tmpdir(), "sessile-newcomer-"));
  clone = join(dir, "sessile");
  env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(SESSILE_|MAKE|MFLAGS)/.test(name)));
  env.GOBIN = join(dir, "bin");
  env.PATH = `${env.GOBIN}:${env.PATH}`;
  browser = await launch();
});
after(async () => {
  await browser?.close();
  if (demo && demo.exitCode === null && demo.signalCode === null) process.kill(-demo.pid, "SIGINT");
  if (dir) rmSync(dir, { recursive: true, force: true });
});

// make demo, in a process group of its own as in a terminal, where Ctrl-C reaches all of it.
async function makeDemo() {
  demo = spawn("make", ["demo", "ARGS=-addr 127.0.0.1:0"], { cwd: clone, env, detached: true });
  let log = "";
  demo.stderr.on("data", (chunk) => (log += chunk));
  const ended = new Promise((resolve) => demo.once("exit", (code, signal) => resolve(code ?? signal)));
  const url = await new Promise((resolve, reject) => {
    createInterface({ input: demo.stdout }).on("line", (line) => {
      const [, address] = line.match(/^listening on (\S+)$/) ?? [];
      if (address) resolve(address);
    });
    ended.then((code) => reject(new Error(`make demo ended with ${code}:\n${log}`)));
  });
  return { url, ended, log: () => log };
}

// A command line in another terminal, with what is typed into it.
function terminal(line, typed = "") {
  return execFileSync("script", ["-qec", line, "/dev/null"], { cwd: clone, env, input: typed, encoding: "utf8" });
}

test("a newcomer logs a user out from another terminal within two minutes", async (t) => {
  const began = Date.now();
  const steps = [];
  const done = (step) => steps.push(`${((Date.now() - began) / 1000).toFixed(1).padStart(6)} s  ${step}`);
  const shot = (page, name) => page.screenshot({ path: `${folder}newcomer-${name}.png`, fullPage: true });

  execFileSync("git", ["clone", "-q", root, clone]);
  done("git clone");
  execFileSync("make", ["install"], { cwd: clone, env });
  done("make install");
  const { url, ended, log } = await makeDemo();
  done("make demo");

  const alice = await device(browser, url, phone);
  await alice.goto("/");
  await shot(alice, "1-shop");
  await login(alice, "alice");
  await alice.getByRole("link", { name: "Session" }).click();
  await alice.getByRole("heading", { name: "Your session" }).waitFor();
  await shot(alice, "2-logged-in");
  done("alice logs in");

  const admin = await device(browser, url);
  await login(admin, "admin");
  await admin.getByRole("link", { name: "Admin" }).click();
  await admin.locator("#live[data-link=open]").waitFor();
  await alice.getByRole("button", { name: "Count" }).click(); // something for the figures
  await admin.locator("#plots[data-samples='3']").waitFor();
  await admin.waitForFunction(() => document.querySelector("#tile-reads").textContent !== "–");
  await shot(admin, "3-dashboard");
  done("the dashboard moves");

  const listed = terminal("sessile list");
  assert.match(listed, /alice\s+Safari on iPhone/);
  const said = terminal("sessile revoke --user alice", "y\n");
  assert.match(said, /End 1 session of the user alice\? \[y\/N\] [\s\S]*1 session ended\./);
  done("sessile revoke --user alice");

  await admin.locator("#events").getByText("revoked by an administrator").waitFor();
  await shot(admin, "4-dashboard-after");
  await alice.getByRole("link", { name: "Devices" }).click();
  await alice.getByRole("heading", { name: "Log in" }).waitFor();
  const why = alice.getByText("Your session has ended: revoked by an administrator.");
  await why.waitFor();
  await shot(alice, "5-logged-out");
  done("alice is logged out at the next click");
  await alice.reload();
  await alice.getByRole("heading", { name: "Log in" }).waitFor();
  assert.equal(await why.count(), 0, "the reason is shown twice");
  assert.deepEqual([...alice.faults, ...admin.faults], []);

  process.kill(-demo.pid, "SIGINT");
  await ended;
  assert.match(log(), /session store closed/);
  done("Ctrl-C");
  writeFileSync(`${folder}newcomer.txt`, `${steps.join("\n")}\n\n$ sessile list\n${listed}\n$ sessile revoke --user alice\n${said}`);
  for (const step of steps) t.diagnostic(step);
  assert.ok(Date.now() - began < limit, `it took ${(Date.now() - began) / 1000} s`);
});
