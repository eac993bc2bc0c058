// A firm with jobs in it: a preview of its own, the command line beside it, and browsers to look at both sides.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { copy, launch, preview, run } from "./preview.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** A day so many days from now where the firm is. */
export const day = (days) => new Intl.DateTimeFormat("en-CA", { timeZone: "America/Los_Angeles" }).format(Date.now() + days * 864e5);

export async function office(...staff) {
  const project = await copy();
  const passphrases = {};
  for (const user of staff) passphrases[user] = (await run(project.folder, "staff", "add", user)).trim();
  const [browser, server] = await Promise.all([launch(), preview(project.folder)]);
  const jobs = path.join(project.folder, ".qdn/jobs/jobs.json");
  let storageState;

  /** Signs in once, for every page of the staff. */
  async function signIn() {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(server.dashboard);
    await page.locator("#board").waitFor();
    storageState = await context.storageState();
    await context.close();
  }

  /** A page that fails its test by whatever the browser complains of. */
  async function open(t, address, { staff = false, ...options } = {}) {
    const context = await browser.newContext({ ...(staff && { storageState }), ...options });
    const page = await context.newPage();
    const complaints = [];
    page.on("pageerror", (error) => complaints.push(String(error.stack)));
    page.on("console", (message) => {
      // The browser says of each answer of 4xx that it was one. They are what is tested.
      const expected = message.text().startsWith("Failed to load resource");
      if (["error", "warning"].includes(message.type()) && !expected) complaints.push(message.text());
    });
    await context.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => console.error(`CSP: ${violatedDirective} ${blockedURI}`));
    });
    t.after(async () => {
      await context.close();
      assert.deepEqual(complaints, [], "complaints of the browser");
    });
    await page.goto(server.origin + address);
    return page;
  }

  return {
    ...server,
    browser,
    passphrases,
    open,
    signIn,
    board: async (t, options) => {
      const page = await open(t, "/dashboard/", { staff: true, viewport: { width: 1280, height: 900 }, ...options });
      await page.locator("#board").waitFor();
      return page;
    },
    /** Takes a job by phone. */
    async take(fields = {}) {
      const all = { name: "Ann Lee", phone: "619 555 0101", street: "12 Elm St", city: "San Diego", zip: "92101", service: "half_truck", details: "A sofa", date: day(1), part: "morning", ...fields };
      const flags = Object.entries(all).map(([name, value]) => `--${name}=${value}`);
      const { job } = JSON.parse(await run(project.folder, "jobs", "create", "--json", "--who", "maria", ...flags));
      return { ...job, page: new URL(job.tracking_url).pathname };
    },
    jobs: (...args) => run(project.folder, "jobs", "--who", "maria", ...args),
    show: async (id) => JSON.parse(await run(project.folder, "jobs", "show", "--json", id)).job,
    list: async () => JSON.parse(await run(project.folder, "jobs", "list", "--json")).jobs,
    /** Makes all that happened to a job happen so much earlier. For `before`: it asks nobody for the lock. */
    async age(id, minutes) {
      const file = JSON.parse(await readFile(jobs, "utf8"));
      const earlier = (time) => time && new Date(Date.parse(time) - minutes * 60000).toISOString().replace(".000", "");
      const row = file.jobs.find(({ job }) => job.id === id);
      for (const name of ["submitted_at", "pickup_at", "completed_at", "updated_at"]) if (row.job[name]) row.job[name] = earlier(row.job[name]);
      for (const entry of row.job.history) entry.at = earlier(entry.at);
      row.rev = file.rev += 1;
      await writeFile(jobs, JSON.stringify(file));
    },
    async close() {
      await browser.close();
      server.stop();
      await project.remove();
    },
  };
}

/** What axe finds wrong, here and in the other colours. */
export async function inspect(page, state) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
  for (const colorScheme of ["dark", "light"]) {
    await page.emulateMedia({ colorScheme });
    const found = await page.evaluate(async () => {
      // Colours that are still on their way from one scheme to the other have no contrast to speak of.
      await Promise.all(document.getAnimations().map((animation) => (animation.effect.getTiming().iterations === Infinity ? undefined : animation.finished)));
      const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target.join(" ")} ${failureSummary}`).join(", ")}`);
    });
    assert.deepEqual(found, [], `${state}, ${colorScheme}`);
    const [wide, seen] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    assert.ok(wide <= seen, `${state}: ${wide - seen} px stick out`);
  }
}

/** Waits until a screen reader would say it. */
export async function said(page, words) {
  await page.waitForFunction((words) => document.getElementById("live").textContent.includes(words), words);
}

/** The words of what has the focus. */
export const focused = (page) => page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent.trim() ?? "");
