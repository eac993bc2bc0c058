#!/usr/bin/env node
// From a saved file to the moment at which a page that was told of it has loaded it again, in milliseconds.
//
//     cargo build --release && node benches/reload.mjs [--runs 20] [--root FOLDER --file site/prices.md --page prices/]
//
// Works on a copy of the project. Measures `qdn preview` as a process of its own, over HTTP.

import { spawn } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = fileURLToPath(new URL("..", import.meta.url));
const { values } = parseArgs({
  options: { runs: { type: "string", default: "20" }, root: { type: "string", default: here }, file: { type: "string", default: "site/prices.md" }, page: { type: "string", default: "prices/" } },
});
const folder = await mkdtemp(path.join(tmpdir(), "qdn-bench-"));
for (const part of ["site", "templates", "functions", "qdn.toml"]) {
  await cp(path.join(values.root, part), path.join(folder, part), { recursive: true }).catch(() => {});
}
const server = spawn(path.join(here, "target/release/qdn"), ["preview", "--port", "0", "--json", "--root", folder], { stdio: ["ignore", "pipe", "ignore"] });
const { url } = await new Promise((resolve) => server.stdout.once("data", (line) => resolve(JSON.parse(line))));

const events = (await fetch(`${url}_qdn/events`)).body.pipeThrough(new TextDecoderStream()).getReader();
async function told(kind) {
  for (let text = ""; !text.includes(`"kind":"${kind}"`); ) {
    const { value, done } = await events.read();
    if (done) throw new Error("the stream ended");
    text += value;
  }
  return performance.now();
}
await told("hello");
while (!(await fetch(`${url}_qdn/route?url=/`)).ok) await new Promise((resolve) => setTimeout(resolve, 20));
await new Promise((resolve) => setTimeout(resolve, 300));

const file = path.join(folder, values.file);
const text = await readFile(file, "utf8");
const times = [];
for (let run = 0; run < Number(values.runs); run++) {
  const saved = performance.now();
  await writeFile(file, `${text}\nSaved for the ${run}th time.\n`);
  // A save may come in two steps and be told of twice: what counts is the page that has the new text.
  for (let page = ""; !page.includes(`Saved for the ${run}th time.`); ) {
    await told("reload");
    page = await (await fetch(`${url}${values.page}`)).text();
  }
  times.push(performance.now() - saved);
  await new Promise((resolve) => setTimeout(resolve, 60));
}
times.sort((a, b) => a - b);
const at = (part) => times[Math.min(times.length - 1, Math.floor(times.length * part))].toFixed(1);
console.log(`saved to loaded again, ${times.length} saves: median ${at(0.5)} ms, least ${at(0)} ms, most ${at(1)} ms`);
server.kill("SIGKILL");
await rm(folder, { recursive: true, force: true });
process.exit(0);
