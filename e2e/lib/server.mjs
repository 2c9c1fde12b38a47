// Starts the demo that run.sh has built, each time with a new file.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

// A running demo: url, its session file, and stop(), which fails unless the demo exits cleanly.
export async function start(...flags) {
  const dir = mkdtempSync(join(tmpdir(), "sessile-e2e-"));
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SESSILE_")));
  const demo = spawn(process.env.E2E_DEMO, ["demo", "-addr", "127.0.0.1:0", "-db", join(dir, "e2e.db"), ...flags], { env });
  let log = "";
  demo.stderr.on("data", (chunk) => (log = (log + chunk).slice(-8192)));
  const ended = new Promise((resolve) => demo.once("exit", (code, signal) => resolve(code ?? signal)));

  const url = await new Promise((resolve, reject) => {
    createInterface({ input: demo.stdout }).on("line", (line) => {
      const [, address] = line.match(/^listening on (\S+)$/) ?? [];
      if (address) resolve(address);
    });
    ended.then((code) => reject(new Error(`the demo ended with ${code}:\n${log}`)));
  });
  return {
    url,
    file: join(dir, "e2e.db"),
    async stop() {
      demo.kill("SIGTERM");
      const code = await ended;
      rmSync(dir, { recursive: true, force: true });
      if (code !== 0) throw new Error(`the demo ended with ${code}:\n${log}`);
    },
  };
}
