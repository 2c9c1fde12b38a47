// Builds the demo once and starts it, each time over a fresh file.
import { spawn, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

// A demo that was started: url, and stop(), which fails if it does not end cleanly.
export async function start(...flags) {
  const dir = mkdtempSync(join(tmpdir(), "sessile-e2e-"));
  const binary = join(dir, "sessile");
  execFileSync("go", ["build", "-o", binary, "."], { cwd: join(root, "cmd/sessile"), stdio: "inherit" });

  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SESSILE_")));
  const demo = spawn(binary, ["demo", "-addr", "127.0.0.1:0", "-db", join(dir, "e2e.db"), ...flags], { env });
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
    async stop() {
      demo.kill("SIGTERM");
      const code = await ended;
      rmSync(dir, { recursive: true, force: true });
      if (code !== 0) throw new Error(`the demo ended with ${code}:\n${log}`);
    },
  };
}
