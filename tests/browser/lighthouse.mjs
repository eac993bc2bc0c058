// What Lighthouse says of our pages, each as a phone sees it: `node tests/browser/lighthouse.mjs`.
// Pages that no search engine may list are not measured by how well one could.

import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { office } from "./office.mjs";

const LEAST = 95;
const program = fileURLToPath(new URL("cli/index.js", `file://${createRequire(import.meta.url).resolve("lighthouse/package.json")}`));

const firm = await office();
const job = await firm.take();
// Only those that are named, or all.
const asked = process.argv.slice(2).filter((word) => word.startsWith("/"));
const pages = [
  ["/", true],
  ["/book/", true],
  ["/prices/", true],
  [job.page, false, "/track/…"],
  ["/track/AAAAAAAAAAAAAAAAAAAAAA", false, "/track/… (unknown)"],
  ["/dashboard/", false, "/dashboard/ (signed out)"],
  [new URL(firm.dashboard).pathname + new URL(firm.dashboard).hash, false, "/dashboard/ (signed in)"],
].filter(([address]) => !asked.length || asked.some((start) => (start === "/" ? address === start : address.startsWith(start))));

let low = false;
console.log("| page | performance | accessibility | best practices | SEO |\n|---|---|---|---|---|");
for (const [address, listed, name = address] of pages) {
  const file = path.join(tmpdir(), `qdn-lighthouse-${process.pid}.json`);
  const categories = ["performance", "accessibility", "best-practices", ...(listed ? ["seo"] : [])];
  const flags = ["--quiet", "--output=json", `--output-path=${file}`, `--only-categories=${categories}`, "--chrome-flags=--headless --no-sandbox --disable-gpu"];
  const env = { ...process.env, CHROME_PATH: process.env.CHROME_PATH ?? "/usr/bin/chromium" };
  await new Promise((resolve, reject) => {
    spawn(process.execPath, [program, firm.origin + address, ...flags], { env, stdio: ["ignore", "ignore", "inherit"] })
      .on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`lighthouse ended with ${code}`))));
  });
  const report = JSON.parse(await readFile(file, "utf8"));
  await rm(file);
  const scores = ["performance", "accessibility", "best-practices", "seo"].map((id) => report.categories[id] && Math.round(report.categories[id].score * 100));
  console.log(`| ${name} | ${scores.map((score) => score ?? "–").join(" | ")} |`);
  for (const id of categories) {
    if (report.categories[id].score * 100 >= LEAST && !process.argv.includes("--why")) continue;
    for (const { id: audit, weight } of report.categories[id].auditRefs) {
      const { score, title, displayValue = "" } = report.audits[audit];
      if (weight && score !== null && score < 1) console.error(`  ${name}: ${title} ${displayValue}`);
    }
  }
  low ||= scores.some((score) => score < LEAST);
}
await firm.close();
process.exitCode = low ? 1 : 0;
