// What a developer sees: saving shows, mistakes are drawn over the page, routes can be looked into.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";
import { copy, launch, preview } from "./preview.mjs";

let browser, server, project;
before(async () => {
  project = await copy();
  [browser, server] = await Promise.all([launch(), preview(project.folder)]);
});
after(async () => {
  await browser?.close();
  server?.stop();
  await project?.remove();
});

const file = (name) => path.join(project.folder, name);

async function edit(name, change) {
  const text = await readFile(file(name), "utf8");
  await writeFile(file(name), change(text));
  return () => writeFile(file(name), text);
}

/** A page that is listening to the builds. */
async function open(address = "/prices/") {
  const page = await browser.newPage();
  const listening = page.waitForResponse((response) => response.url().endsWith("/_qdn/events"));
  await page.goto(server.origin + address);
  await listening;
  return page;
}

test("a saved page is a reloaded page", async () => {
  const page = await open();
  const undo = await edit("site/prices.md", (text) => `${text}\n\nA new sentence.\n`);
  await page.getByText("A new sentence.").waitFor();
  await undo();
  await page.getByText("A new sentence.").waitFor({ state: "detached" });
  await page.close();
});

test("a saved style sheet is swapped without a reload", async () => {
  const page = await open();
  await page.evaluate(() => (window.stayed = true));
  const undo = await edit("site/assets/css/prose.css", (text) => `${text}\nbody { outline: 7px solid rgb(1, 2, 3) }\n`);
  await page.waitForFunction(() => getComputedStyle(document.body).outlineColor === "rgb(1, 2, 3)");
  assert.equal(await page.evaluate(() => window.stayed), true);
  await undo();
  await page.waitForFunction(() => getComputedStyle(document.body).outlineColor !== "rgb(1, 2, 3)");
  assert.equal(await page.evaluate(() => document.querySelectorAll('link[rel="stylesheet"]').length), 1);
  await page.close();
});

test("a mistake is drawn over the page, with its source, and goes when it is mended", async () => {
  const page = await open();
  const undo = await edit("templates/base.html", (text) => text.replace("<body", "{{ site.pohne }}<body"));
  const overlay = page.getByRole("alertdialog");
  await overlay.waitFor();
  const text = await overlay.innerText();
  assert.match(text, /unknown template variable `site\.pohne`/);
  assert.match(text, /templates\/base\.html:\d+:\d+/);
  assert.match(text, /hint: a variable with a similar name exists/);
  assert.ok(await page.locator("h1").first().isVisible(), "the last good build stays below");
  await undo();
  await overlay.waitFor({ state: "detached" });
  await page.close();
});

test("hostile text in a mistake is text", async () => {
  const page = await open();
  const undo = await edit("site/prices.md", (text) => text.replace("---\n", "---\n\"<img src=x onerror=alert(1)>\": 1\n"));
  const overlay = page.getByRole("alertdialog");
  await overlay.waitFor();
  assert.match(await overlay.innerText(), /<img src=x onerror=alert\(1\)>/);
  await undo();
  await overlay.waitFor({ state: "detached" });
  await page.close();
});

test("the route inspector shows what the function did", async () => {
  const page = await browser.newPage();
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  await page.goto(`${server.origin}/_qdn/`);
  await page.getByLabel("Path").fill("/track/abc?x=1");
  await page.getByRole("button", { name: "Inspect" }).click();
  await page.getByText("track/index.html", { exact: true }).waitFor();
  assert.match(await page.locator("#returned").innerText(), /"uri": "\/track\/index\.html"/);
  assert.match(await page.locator("#function").innerText(), /of 100/);
  assert.match(await page.locator("#headers").innerText(), /content-security-policy/);
  assert.deepEqual(complaints, []);
  await page.close();
});
