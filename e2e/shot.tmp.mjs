import { launch, phone, desktop } from "./lib/browser.mjs";
const b = await launch();
for (const [n,o] of [["phone",phone],["desktop",desktop]]) for (const c of ["light","dark"]) {
  const ctx = await b.newContext({...o, colorScheme:c}); const p = await ctx.newPage();
  for (const x of ["home","login","session","devices","live","account","confirm","error"]) { await p.goto("http://127.0.0.1:18999/p/"+x); await p.screenshot({path:`/tmp/s/shots/${x}-${n}-${c}.png`,fullPage:true}); }
}
await b.close();
