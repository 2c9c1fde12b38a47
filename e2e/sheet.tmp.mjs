import { launch } from "./lib/browser.mjs";
import { readFileSync } from "node:fs";
const [dir,out,w,...names] = process.argv.slice(2);
const b = await launch(); const p = await b.newPage({viewport:{width:1600,height:900}});
const html = names.map(n=>`<img style="width:${w}px;margin:6px;vertical-align:top;border:1px solid #888" src="data:image/png;base64,${readFileSync(`${dir}/${n}.png`).toString("base64")}">`).join("");
await p.setContent(`<body style="margin:0;background:#777">${html}`); await p.screenshot({path:out,fullPage:true}); await b.close();
