// Every page of our site as a browser sees it: narrow and wide, light and dark, without a complaint.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import { launch, preview } from "./preview.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PAGES = ["/", "/book/", "/track/", "/track/no-such-token", "/dashboard/", "/prices/", "/what-we-take/", "/privacy/", "/nowhere/"];
const WIDTHS = [320, 768, 1280];

let browser, server;
before(async () => {
  [browser, server] = await Promise.all([launch(), preview()]);
});
after(async () => {
  await browser?.close();
  server?.stop();
});

/** Opens a page and collects what the browser complains of. */
async function open(path, options = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // The browser says of each answer of 401 and 404 that it was one.
    const expected = message.text().startsWith("Failed to load resource");
    if (["error", "warning"].includes(message.type()) && !expected) complaints.push(message.text());
  });
  await page.goto(server.origin + path, { waitUntil: "networkidle" }).catch(async () => page.waitForLoadState("load"));
  return { context, page, complaints };
}

for (const path of PAGES) {
  for (const colorScheme of ["light", "dark"]) {
    test(`${path} in ${colorScheme}`, async () => {
      for (const width of WIDTHS) {
        const { context, page, complaints } = await open(path, { colorScheme, viewport: { width, height: 900 } });
        assert.deepEqual(complaints, [], `${width} px: complaints of the browser, the Content-Security-Policy among them`);
        const [wide, seen] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
        assert.ok(wide <= seen, `${width} px: ${wide - seen} px stick out`);
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
        const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
        assert.deepEqual(found, [], `${width} px`);
        await context.close();
      }
    });
  }
}

test("without JavaScript every page says whom to call", async () => {
  for (const path of ["/book/", "/track/", "/dashboard/"]) {
    const { context, page } = await open(path, { javaScriptEnabled: false });
    assert.ok((await page.locator('main a[href^="tel:"]:visible').count()) > 0, path);
    await context.close();
  }
});

test("where a site has no job service its pages say so, and whom to call", async () => {
  for (const [path, words] of [
    ["/book/", "Online booking isn’t switched on yet"],
    ["/track/AAAAAAAAAAAAAAAAAAAAAA", "Online tracking isn’t switched on yet"],
    ["/dashboard/", "The dispatch service isn’t reachable"],
  ]) {
    const { context, page } = await open("/");
    await page.route("**/api/**", (route) => route.fulfill({ status: 404, contentType: "text/html", body: "<h1>Not found</h1>" }));
    await page.goto(server.origin + path);
    await page.getByRole("heading", { name: words }).waitFor();
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    assert.deepEqual(violations.map(({ id }) => id), [], path);
    if (path !== "/dashboard/") assert.ok(await page.locator('main a[href^="tel:"]:visible').first().isVisible(), path);
    await context.close();
  }
});

test("the pages stay within their budgets", async () => {
  const { brotliCompressSync } = await import("node:zlib");
  const size = (buffer) => brotliCompressSync(buffer).length;
  const budgets = { "/track/": { page: 5000, script: 3000 }, "/book/": { html: 9000, style: 4000, script: 6000 }, "/dashboard/": { html: 4000, style: 6000, script: 15000 } };
  for (const [path, budget] of Object.entries(budgets)) {
    const html = Buffer.from(await (await fetch(server.origin + path)).arrayBuffer());
    const text = html.toString().replace(/<script type="module" src="\/_qdn[^>]*><\/script>/, "");
    const sheets = [...text.matchAll(/href="(\/assets\/[^"]+\.css)"/g)].map(([, url]) => url);
    const scripts = new Set([...text.matchAll(/(?:src|href)="(\/assets\/[^"]+\.js)"/g)].map(([, url]) => url));
    for (const script of scripts) {
      const code = await (await fetch(server.origin + script)).text();
      for (const [, url] of code.matchAll(/from\s*"(\/assets\/[^"]+\.js)"/g)) scripts.add(url);
      for (const [, url] of code.matchAll(/import\s*"(\/assets\/[^"]+\.js)"/g)) scripts.add(url);
    }
    const weigh = async (urls) => {
      let sum = 0;
      for (const url of urls) sum += size(Buffer.from(await (await fetch(server.origin + url)).arrayBuffer()));
      return sum;
    };
    const measured = { html: size(Buffer.from(text)), style: await weigh(sheets), script: await weigh(scripts) };
    measured.page = measured.html + measured.style;
    for (const [part, most] of Object.entries(budget)) {
      assert.ok(measured[part] <= most, `${path} ${part}: ${measured[part]} bytes compressed, ${most} allowed`);
    }
  }
});
