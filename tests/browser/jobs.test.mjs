// Customers: the booking form and the tracking page, against the real service, on good days and bad ones.

import { createHash } from "node:crypto";
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { day, inspect, office, said } from "./office.mjs";

const HOSTILE = `"><img src=x onerror=alert(1)>`;

let firm, expired;
before(async () => {
  firm = await office();
  expired = await firm.take();
  for (let steps = 0; steps < 3; steps++) await firm.jobs("move", expired.id);
  await firm.age(expired.id, 31 * 24 * 60);
});
after(() => firm?.close());

async function fillIn(page, fields = {}) {
  const { service = "Half truck", ...rest } = fields;
  await page.getByText(service, { exact: true }).click();
  const all = { details: "A sofa", street: "12 Elm St", city: "San Diego", zip: "92101", date: day(2), name: "Ann Lee", phone: "(619) 555-0101", ...rest };
  for (const [name, value] of Object.entries(all)) await page.locator(`#book [name="${name}"]`).fill(value);
}

const send = (page) => page.getByRole("button", { name: "Book this pickup" });
const booked = (page) => page.getByRole("heading", { name: "You are booked" }).waitFor();
const named = async (name) => (await firm.list()).filter((job) => job.name === name);

// Most of the time goes by in waiting, as a customer would: so several wait at once.
describe("customers", { concurrency: 4 }, () => {
  test("a customer books, keeps the link and follows the job by itself", async (t) => {
    const page = await firm.open(t, "/book/?service=full_truck", { viewport: { width: 320, height: 700 } });
    assert.ok(await page.locator('[value="full_truck"]').isChecked(), "what was chosen on the way here is chosen");
    await fillIn(page, { name: "Story", email: "story@example.com", access: "Gate code 12" });
    await send(page).click();
    await booked(page);
    assert.equal(await page.evaluate(() => document.activeElement.id), "booked-title");
    assert.match(await page.locator("#booked").innerText(), /morning|any time/);
    assert.match(await page.title(), /^You are booked/);
    await inspect(page, "confirmation");
    await page.reload();
    await booked(page);
    const link = await page.locator("#booked .link a").getAttribute("href");
    assert.match(link, /\/track\/[\w-]{22}$/);

    const [job] = await named("Story");
    assert.equal(job.email, "story@example.com");
    assert.equal(job.access, "Gate code 12");
    await page.clock.install();
    await page.goto(link);
    const heading = page.locator("#track h2:visible");
    const shows = async (words) => {
      await page.getByRole("heading", { name: words }).waitFor();
      assert.equal(await heading.count(), 1);
      await inspect(page, words);
    };
    await shows("Booked – we’ll confirm your time");
    assert.match(await page.locator("#track").innerText(), /12 Elm St, San Diego, CA 92101/);
    assert.match(await page.locator("[data-step=submitted] time").innerText(), /P[SD]T/, "the firm's time, with its name");
    for (const [words, wait] of [["Confirmed – on our pickup list", 121], ["Crew on site", 121], ["All done", 16]]) {
      await firm.jobs("move", job.id);
      await page.clock.fastForward(wait * 1000);
      await shows(words);
    }
    assert.equal(await page.locator("[aria-current=step]").innerText().then((text) => text.split("\n")[0]), "Done");
    // An end that was a slip: the page looks again when the customer does.
    await firm.jobs("undo", job.id);
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await shows("Crew on site");
    await firm.jobs("cancel", job.id, "--reason", "Secret words");
    await page.clock.fastForward(16000);
    await shows("This job is canceled");
    assert.doesNotMatch(await page.content(), /Secret words/, "the reason stays in the office");
  });

  test("the tracking page tells the network nothing and search engines to leave", async (t) => {
    const job = await firm.take();
    const answer = await fetch(firm.origin + job.page);
    assert.equal(answer.headers.get("referrer-policy"), "no-referrer");
    assert.match(answer.headers.get("x-robots-tag"), /noindex/);
    assert.doesNotMatch(await answer.text(), /Elm/, "the shell knows no job");
    const page = await firm.open(t, `/track/?t=${job.page.split("/").pop()}`);
    await page.getByText("12 Elm St").waitFor();
    assert.equal(new URL(page.url()).pathname + new URL(page.url()).search, job.page, "links of the older form are made new");
    await page.emulateMedia({ media: "print" });
    assert.ok(await page.getByText("12 Elm St").isVisible());
    assert.equal(await page.locator(".button:visible, .skip:visible").count(), 0);
  });

  test("expired, renewed, unknown and malformed links show one and the same page", async (t) => {
    const renewed = await firm.take();
    await firm.jobs("link", renewed.id, "--renew");
    const page = await firm.open(t, "/");
    const texts = new Set();
    for (const link of [expired.page, renewed.page, "/track/AAAAAAAAAAAAAAAAAAAAAA", "/track/short", "/track/%22%3E%3Cimg%20src=x%3E"]) {
      await page.goto(firm.origin + link);
      await page.getByRole("heading", { name: "We can’t find this job" }).waitFor();
      texts.add(await page.locator("body").innerText());
    }
    assert.equal(texts.size, 1);
    assert.ok(await page.locator('main a[href^="tel:"]').isVisible());
    await inspect(page, "no such link");
  });

  test("the tracking page says when it is stale, and mends itself", async (t) => {
    const job = await firm.take();
    const page = await firm.open(t, job.page);
    await page.getByText("12 Elm St").waitFor();
    await firm.jobs("move", job.id);
    await page.route("**/api/v1/track/**", (route) => route.abort());
    await page.evaluate(() => dispatchEvent(new Event("online")));
    await page.getByText("We can’t reach our job list right now.").waitFor();
    await inspect(page, "stale");
    await page.unroute("**/api/v1/track/**");
    await page.context().setOffline(true);
    await page.context().setOffline(false);
    await page.getByRole("heading", { name: "Confirmed" }).waitFor();
    assert.ok(await page.locator("#stale").isHidden());

    const other = await firm.open(t, "/");
    await other.route("**/api/v1/track/**", (route) => route.fulfill({ status: 502, contentType: "text/html", body: "<h1>Bad gateway</h1>" }));
    await other.goto(firm.origin + job.page);
    await other.getByRole("heading", { name: "We can’t reach our job list right now" }).waitFor();
    await inspect(other, "unreachable");
    await other.unroute("**/api/v1/track/**");
    await other.getByRole("button", { name: "Try again now" }).click();
    await other.getByRole("heading", { name: "Confirmed" }).waitFor();
  });

  test("what is wrong is said in a summary that leads to the fields", async (t) => {
    const page = await firm.open(t, "/book/", { viewport: { width: 320, height: 700 } });
    await inspect(page, "empty form");
    await send(page).click();
    const summary = page.locator("#book .problems");
    await summary.waitFor();
    assert.ok(await summary.evaluate((box) => box === document.activeElement));
    assert.match(await page.title(), /^Error: /);
    const links = await summary.getByRole("link").allInnerTexts();
    assert.deepEqual(links, ["Choose how much is going", "Describe what is going", "Enter the street address", "Enter the city", "Enter the ZIP code", "Choose a day", "Enter your name", "Enter a phone number so we can confirm"]);
    await inspect(page, "form with errors");
    for (const [text, name] of [["Choose how much is going", "service"], ["Enter the ZIP code", "zip"]]) {
      await summary.getByRole("link", { name: text }).click();
      assert.equal(await page.evaluate(() => document.activeElement.name), name);
    }
    const zip = page.getByLabel("ZIP code");
    assert.equal(await zip.getAttribute("aria-invalid"), "true");
    await zip.fill("10001");
    assert.equal(await zip.getAttribute("aria-invalid"), null, "gone as soon as it is put right");
    await page.getByText("That ZIP code is outside our usual area").waitFor();
    await zip.fill("92101");
    assert.ok(await page.locator("#zip-note").isHidden());
    // What only the service can know looks the same.
    await fillIn(page, { phone: "1234567890123456" });
    await send(page).click();
    await page.locator("#book .problems").getByRole("link", { name: /phone number/ }).waitFor({ timeout: 8000 });
    assert.equal(await page.locator("#phone").getAttribute("aria-invalid"), "true");
  });

  test("a draft outlives a reload, and is gone once it is booked", async (t) => {
    const page = await firm.open(t, "/book/");
    await fillIn(page, { name: "Drafted" });
    await page.reload();
    assert.equal(await page.locator("#name").inputValue(), "Drafted");
    assert.ok(await page.locator('[value="half_truck"]').isChecked());
    await send(page).click();
    await booked(page);
    await page.goto(`${firm.origin}/book/`);
    assert.equal(await page.locator("#name").inputValue(), "");
  });

  test("whoever is quick is made to wait and not turned away; two taps make one job", async (t) => {
    const page = await firm.open(t, "/book/");
    const answers = [];
    page.on("response", (answer) => answer.request().method() === "POST" && answers.push(answer.status()));
    // However slow this machine is, the first try carries a stamp that was made this moment.
    await page.route(
      "**/api/v1/jobs",
      async (route) => {
        const { stamp } = await (await fetch(`${firm.origin}/api/v1/form`)).json();
        const body = JSON.stringify({ ...route.request().postDataJSON(), form_stamp: stamp });
        const hash = createHash("sha256").update(body).digest("hex");
        await route.continue({ postData: body, headers: { ...route.request().headers(), "x-amz-content-sha256": hash } });
      },
      { times: 1 },
    );
    // A clock that jumps ahead makes the page believe that the form was open for long.
    await fillIn(page, { name: "Hasty" });
    await page.evaluate(() => {
      const now = Date.now;
      Date.now = () => now() + 60000;
    });
    await send(page).dblclick();
    await page.evaluate(() => document.getElementById("book").requestSubmit());
    await booked(page);
    assert.deepEqual(answers.at(-1), 201);
    assert.ok(answers.length <= 3 && answers.slice(0, -1).every((status) => status === 422), String(answers));
    assert.equal(answers[0], 422);
    assert.equal((await named("Hasty")).length, 1);
  });

  test("a stamp that is too old is replaced in silence", async (t) => {
    const page = await firm.open(t, "/");
    let forms = 0;
    await page.route("**/api/v1/form", async (route) => {
      const answer = await route.fetch();
      const body = await answer.json();
      forms += 1;
      if (forms === 1) body.stamp = "1000000000.AAAAAAAAAAAAAAAAAAAAAA";
      await route.fulfill({ response: answer, json: body });
    });
    await page.goto(`${firm.origin}/book/`);
    await fillIn(page, { name: "Patient" });
    await send(page).click();
    await booked(page);
    assert.equal(forms, 2);
  });

  test("a booking whose answer was lost is the same booking when it is sent again", async (t) => {
    const page = await firm.open(t, "/book/");
    let sent = 0;
    await page.route("**/api/v1/jobs", async (route) => {
      sent += 1;
      const answer = await route.fetch();
      if (sent < 3) await route.abort();
      else await route.fulfill({ response: answer });
    });
    await fillIn(page, { name: "Lost" });
    await send(page).click();
    await booked(page);
    assert.equal(sent, 3);
    assert.equal((await named("Lost")).length, 1);
  });

  test("a booking made offline is sent when the connection is back", async (t) => {
    const page = await firm.open(t, "/book/");
    await fillIn(page, { name: "Tunnel" });
    await page.context().setOffline(true);
    await send(page).click();
    await page.getByRole("heading", { name: "You are offline" }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), "failed");
    await inspect(page, "offline");
    assert.equal((await named("Tunnel")).length, 0);
    await page.context().setOffline(false);
    await booked(page);
    assert.equal((await named("Tunnel")).length, 1);
  });

  test("a booking that waited goes on trying where the network is slower than the browser's word for it", async (t) => {
    const page = await firm.open(t, "/book/");
    await fillIn(page, { name: "Slow tunnel" });
    await page.clock.install();
    await page.context().setOffline(true);
    await send(page).click();
    // However slow this machine is, the stamp is old enough now.
    await page.clock.fastForward(4000);
    await page.getByRole("heading", { name: "You are offline" }).waitFor();
    let tries = 0;
    await page.route("**/api/v1/jobs", (route) => {
      tries += 1;
      return route.abort();
    });
    await page.context().setOffline(false);
    /** Lets the time go by until something is so. */
    const until = async (so) => {
      for (let steps = 0; steps < 60 && !(await so()); steps++) {
        await page.clock.fastForward(1500);
        await new Promise((done) => setTimeout(done, 100));
      }
      assert.ok(await so());
    };
    await until(() => page.getByRole("heading", { name: "We can’t be reached yet" }).isVisible());
    assert.ok(tries >= 3);
    assert.equal(await page.evaluate(() => document.activeElement.id), "failed", "the focus stays where it was");
    await inspect(page, "not reached yet");
    await until(() => tries >= 6);
    await page.unroute("**/api/v1/jobs");
    await until(() => page.getByRole("heading", { name: "You are booked" }).isVisible());
    assert.equal((await named("Slow tunnel")).length, 1);
  });

  test("a booking that is changed while it waits does not leave by itself", async (t) => {
    const page = await firm.open(t, "/book/");
    await fillIn(page, { name: "Half a na" });
    await page.context().setOffline(true);
    await send(page).click();
    await page.getByRole("heading", { name: "You are offline" }).waitFor();
    let tries = 0;
    page.on("request", (request) => (tries += request.method() === "POST"));
    await page.locator("#name").press("End");
    await page.locator("#name").pressSequentially("m");
    await page.locator("#failed").waitFor({ state: "hidden" });
    await said(page, "does not wait any more");
    await page.context().setOffline(false);
    await page.evaluate(() => new Promise((done) => setTimeout(done, 50)));
    assert.equal(tries, 0);
    assert.equal(await page.evaluate(() => document.activeElement.id), "name");
  });

  test("what the link chose gives way to what the customer chose, also over a reload", async (t) => {
    const page = await firm.open(t, "/book/?service=full_truck");
    await page.reload();
    assert.ok(await page.locator('[value="full_truck"]').isChecked(), "as long as nothing else was chosen");
    await fillIn(page, { service: "One item", name: "Chosen" });
    const draft = () => page.evaluate(() => sessionStorage.getItem("booking-draft"));
    const before = await draft();
    await page.reload();
    assert.ok(await page.locator('[value="single_item"]').isChecked());
    await page.locator("#book").evaluate((form) => form.elements.name.dispatchEvent(new Event("input", { bubbles: true })));
    assert.equal(await draft(), before, "the same booking, with the same key");
    await page.goto(`${firm.origin}/`);
    await page.goto(`${firm.origin}/book/?service=full_truck`);
    assert.ok(await page.locator('[value="full_truck"]').isChecked(), "a link that is followed anew is a new choice");
    assert.equal(await page.locator("#name").inputValue(), "Chosen");
  });

  test("what is said to be booked is what was booked", async (t) => {
    const page = await firm.open(t, "/book/");
    await fillIn(page, { name: "Changer", street: "1 Sent St" });
    let release;
    const free = new Promise((done) => (release = done));
    const posted = new Promise((done) => {
      page.route("**/api/v1/jobs", async (route) => {
        done();
        await free;
        await route.continue();
      });
    });
    await send(page).click();
    await posted;
    await page.locator("#street").fill("2 Changed St");
    await page.locator("#date").fill(day(5));
    await page.locator('[name="part"][value="afternoon"]').check();
    release();
    await booked(page);
    for (const look of ["at once", "after a reload"]) {
      const summary = await page.locator('[data-f="summary"]').innerText();
      assert.match(summary, /any time, at 1 Sent St\.$/, look);
      await page.reload();
      await booked(page);
    }
    const [job] = await named("Changer");
    assert.deepEqual([job.address.street, job.window.date], ["1 Sent St", day(2)]);
  });

  test("the last day that can be chosen is the last that is taken, also where a clock is put back or ahead", async (t) => {
    for (const [time, last] of [["2026-12-01T07:30:00Z", "2027-05-29"], ["2026-07-01T07:15:00Z", "2026-12-28"]]) {
      const page = await firm.open(t, "/");
      await page.clock.install({ time });
      await page.goto(`${firm.origin}/book/`);
      assert.equal(await page.locator("#date").getAttribute("max"), last);
    }
  });

  test("when booking is closed or limited, the page says whom to call", async (t) => {
    const page = await firm.open(t, "/book/");
    await fillIn(page);
    for (const [status, type, heading] of [[503, "booking-closed", "We can’t take bookings online right now"], [429, "too-many-requests", "That was a lot of bookings"]]) {
      await page.route("**/api/v1/jobs", (route) =>
        route.fulfill({ status, contentType: "application/problem+json", headers: { "retry-after": "3600" }, json: { type: `/problems/${type}`, title: "x", status } }), { times: 1 });
      await send(page).click();
      await page.getByRole("heading", { name: heading }).waitFor();
      assert.ok(await page.locator('#failed a[href^="tel:"]').isVisible());
    }
  });

  test("a hostile booking is text wherever the customer sees it", async (t) => {
    const page = await firm.open(t, "/book/");
    const text = `${HOSTILE}=HYPERLINK("http://x")`;
    await fillIn(page, { name: text, details: text, street: text, city: text });
    await page.locator("#access").fill(text);
    await send(page).click();
    await booked(page);
    assert.ok((await page.locator("#booked").innerText()).includes(HOSTILE));
    await page.locator("#booked .link a").click();
    await page.getByText(HOSTILE).waitFor();
    assert.equal(await page.locator("main img").count(), 0);
  });

  test("copying says so", async (t) => {
    const page = await firm.open(t, "/book/", { permissions: ["clipboard-read", "clipboard-write"] });
    await fillIn(page);
    await send(page).click();
    await booked(page);
    await page.getByRole("button", { name: "Copy the link" }).click();
    await said(page, "Link copied");
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /\/track\//);
  });
});
