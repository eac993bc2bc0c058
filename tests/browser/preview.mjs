// A running preview of a project, and a browser to look at it with.

import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { chromium } from "playwright-core";

export const root = fileURLToPath(new URL("../..", import.meta.url));
const program = path.join(root, process.env.CARGO_TARGET_DIR ?? "target", "debug", "qdn");

const browsers = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export async function launch() {
  const executablePath = browsers.find(existsSync);
  if (!executablePath) throw new Error("there is no Chromium: run ./scripts/setup, or `apt-get install chromium`");
  return chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

/** Runs the program and gives what it printed. */
export async function run(folder, ...args) {
  const { stdout } = await promisify(execFile)(program, ["--root", folder, ...args]);
  return stdout;
}

/** A copy of our site in a folder of its own, which a test may change. */
export async function copy() {
  const folder = await mkdtemp(path.join(tmpdir(), "qdn-browser-"));
  for (const part of ["site", "templates", "functions", "qdn.toml"]) {
    await cp(path.join(root, part), path.join(folder, part), { recursive: true });
  }
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Starts `qdn preview` on a free port. */
export async function preview(folder = root) {
  if (!existsSync(program)) throw new Error(`there is no ${program}: run \`cargo build\` first`);
  const process_ = spawn(program, ["preview", "--port", "0", "--json", "--root", folder], { stdio: ["ignore", "pipe", "pipe"] });
  let talk = "";
  process_.stderr.on("data", (data) => (talk += data));
  const { url, dashboard } = await new Promise((resolve, reject) => {
    let text = "";
    process_.stdout.on("data", (data) => {
      text += data;
      if (text.includes("\n")) resolve(JSON.parse(text));
    });
    process_.on("exit", (code) => reject(new Error(`qdn preview ended with ${code}: ${talk}`)));
  });
  const origin = url.replace(/\/$/, "");
  for (let tries = 0; ; tries++) {
    const response = await fetch(`${origin}/_qdn/route?url=/`);
    if (response.ok) break;
    if (tries > 400) throw new Error(`no build came: ${talk}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return { origin, dashboard, talk: () => talk, stop: () => process_.kill("SIGKILL") };
}
