// Makes the picture at the top of README: `node tests/browser/picture.mjs`.

import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { launch, preview, root } from "./preview.mjs";

const [browser, server] = await Promise.all([launch(), preview()]);
const shots = [];
for (const [address, width] of [["/", 1120], ["/_qdn/?url=/track/AbC123&method=GET", 720]]) {
  const page = await browser.newPage({ viewport: { width, height: 860 }, deviceScaleFactor: 1 });
  await page.goto(server.origin + address);
  await page.waitForTimeout(500);
  shots.push(`data:image/png;base64,${(await page.screenshot()).toString("base64")}`);
  await page.close();
}
const page = await browser.newPage({ viewport: { width: 1400, height: 640 }, deviceScaleFactor: 1 });
await page.setContent(`<body style="margin:0;background:#e8e4de;display:grid;grid-template-columns:1.5fr 1fr;gap:20px;padding:20px;box-sizing:border-box;height:100vh">
${shots.map((shot) => `<img src="${shot}" style="width:100%;height:100%;object-fit:cover;object-position:top left;border-radius:8px;box-shadow:0 2px 16px #0003">`).join("")}`);
await mkdir(path.join(root, "docs/images"), { recursive: true });
await writeFile(path.join(root, "docs/images/preview.png"), await page.screenshot());
await browser.close();
server.stop();
