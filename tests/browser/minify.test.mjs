// Minifying HTML changes nothing that can be seen: every box of every page lies where it lay.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { copy, launch, preview } from "./preview.mjs";

const HARD = `---
title: Hard cases
---
<p>one<span> two</span> <b>three</b>
<i>four</i><em> five </em>six<!-- a comment -->seven <!-- another --> eight</p>
<ul class="row"><li>a</li>
<li>b</li>   <li>c</li></ul>
<pre>  kept

   as it is</pre><textarea>
 so  is this </textarea>
<p>no\u00a0\u00a0break, <code>a  b</code> <kbd> c </kbd><br>
<button> x </button> <select><option>  y  </option></select> <img alt="none" src="data:,"> end</p>
<table><tr><td> a <td>b</table>
`;

test("minified and plain pages have the same boxes and the same text", async () => {
  const [plain, minified] = [await copy(), await copy()];
  for (const { folder } of [plain, minified]) await writeFile(path.join(folder, "site/hard.md"), HARD);
  const config = path.join(plain.folder, "qdn.toml");
  await writeFile(config, `${await readFile(config, "utf8")}\n[build]\nminify_html = false\n`);
  const [browser, left, right] = await Promise.all([launch(), preview(plain.folder), preview(minified.folder)]);
  try {
    for (const address of ["/hard/", "/", "/book/", "/track/", "/dashboard/", "/prices/"]) {
      const looks = [];
      for (const { origin } of [left, right]) {
        const page = await browser.newPage({ javaScriptEnabled: false, viewport: { width: 800, height: 900 } });
        await page.goto(origin + address);
        // Inline layout is what white space decides; a sheet of our own makes list items inline too.
        await page.addStyleTag({ content: ".row li { display: inline-block }" }).catch(() => {});
        looks.push(await page.locator("body").innerText());
        looks.push(await page.screenshot({ fullPage: true }));
        await page.close();
      }
      assert.equal(looks[2], looks[0], `${address}: the text`);
      assert.ok(looks[3].equals(looks[1]), `${address}: the picture`);
    }
    const bytes = async ({ origin }) => (await (await fetch(`${origin}/`)).text()).length;
    assert.ok((await bytes(right)) < (await bytes(left)), "and there is less of it");
  } finally {
    await browser.close();
    left.stop();
    right.stop();
    await Promise.all([plain.remove(), minified.remove()]);
  }
});
