// The office: signing in, moving jobs in every way there is, and what happens when two do it or the network does not.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { day, focused, inspect, office, said } from "./office.mjs";

const HOSTILE = `"><img src=x onerror=alert(1)>=HYPERLINK("http://x")`;

let firm, late;
before(async () => {
  firm = await office("sam", "maria");
  const old = await firm.take({ street: "4 Axe Ave" });
  for (let steps = 0; steps < 3; steps++) await firm.jobs("move", old.id);
  await firm.age(old.id, 9 * 24 * 60);
  late = await firm.take({ street: "16 Late Ln" });
  await firm.jobs("move", late.id);
  await firm.age(late.id, 20);
  // So that pages share one session, and the sign-ins of tests that sign in stay below the limit.
  await firm.signIn();
});
after(() => firm?.close());

const column = (page, status) => page.locator(`[data-column="${status}"]`);
const card = (page, street, status) => (status ? column(page, status) : page).locator("li.job", { hasText: street });
const toast = (page, words) => page.locator("#toast", { hasText: words }).waitFor();
const now = (page) => page.evaluate(() => dispatchEvent(new Event("online")));
/** Lets the board ask for news, and waits until it has drawn them. */
async function news(page) {
  const answer = page.waitForResponse((response) => response.url().includes("/api/v1/jobs?since="));
  await now(page);
  await (await answer).finished();
  await page.evaluate(() => new Promise((done) => setTimeout(done, 50)));
}

/** Holds the first request to an address: `held` once it is on its way, and `release` to let it go on. */
async function hold(page, address, method = "POST") {
  let release, held;
  const free = new Promise((done) => (release = done));
  const there = new Promise((done) => (held = done));
  let first = true;
  await page.route(address, async (route) => {
    if (!first || route.request().method() !== method) return route.fallback();
    first = false;
    held();
    await free;
    await route.continue();
  });
  return { held: there, release };
}

const search = (page, words) => page.getByLabel("Find a job").fill(words);

async function openCard(page, street) {
  await card(page, street).getByRole("button", { name: street, exact: true }).click();
  await page.locator("#job[open]").waitFor();
  return page.locator("#job");
}

async function signIn(page, user) {
  await page.getByLabel("User name").fill(user);
  await page.getByLabel("Passphrase").fill(firm.passphrases[user]);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** Carries a card over a column, and says what the column looks like before it is let go. */
async function drag(page, street, status) {
  const from = await card(page, street).locator("h3").boundingBox();
  const to = await column(page, status).locator("h2").boundingBox();
  await page.mouse.move(from.x + from.width / 2, from.y + from.height / 2);
  await page.mouse.down();
  await page.mouse.move(from.x + 20, from.y + 20, { steps: 3 });
  await page.mouse.move(to.x + to.width / 2, to.y + 10, { steps: 4 });
  return column(page, status).getAttribute("data-drop");
}

describe("the office", { concurrency: 4 }, () => {
  test("sign in by name, refuse a wrong passphrase, sign out", async (t) => {
    await firm.take({ street: "1 Sign St" });
    const page = await firm.open(t, "/dashboard/", { viewport: { width: 320, height: 700 } });
    await page.getByLabel("User name").waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), "user");
    await inspect(page, "sign-in");
    await page.getByLabel("User name").fill("sam");
    await page.getByLabel("Passphrase").fill("not this one");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("That name and passphrase do not match.").waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), "passphrase");
    await inspect(page, "wrong passphrase");
    await signIn(page, "sam");
    await card(page, "1 Sign St").waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("User name").waitFor();
    assert.equal(await page.locator("li.job").count(), 0, "nothing stays behind");
    assert.deepEqual(await page.context().cookies(), []);
  });

  test("a sign-in link signs in and leaves the address", async (t) => {
    const page = await firm.open(t, new URL(firm.dashboard).pathname + new URL(firm.dashboard).hash);
    await page.locator("#board").waitFor();
    assert.equal(page.url(), `${firm.origin}/dashboard/`);
    const other = await firm.open(t, "/dashboard/#sign-in=nonsense");
    await other.getByText("This sign-in link is no longer good").waitFor();
    assert.equal(other.url(), `${firm.origin}/dashboard/`);
  });

  test("the board, a card and the drawer have nothing that axe would blame, wide and narrow", async (t) => {
    const street = "2 Axe Ave";
    const job = await firm.take({ street, date: day(-1), email: "axe@example.com" });
    const gone = await firm.take({ street: "3 Axe Ave" });
    await firm.jobs("cancel", gone.id, "--reason", "Sold it");
    for (const width of [1280, 320]) {
      const page = await firm.board(t, { viewport: { width, height: 900 } });
      await card(page, street).waitFor();
      await search(page, "Axe Ave");
      await page.locator("#tray summary").click();
      await page.locator("#tray").getByText("Sold it").waitFor();
      await inspect(page, `board, ${width}`);
      assert.match(await card(page, street).innerText(), /Overdue/);
      await page.getByRole("button", { name: /^Overdue/ }).click();
      assert.equal(await page.locator("#board li.job:visible").count(), 1);
      await page.getByRole("button", { name: /^All/ }).click();
      if (width === 320) await page.getByRole("button", { name: /^Done/ }).click();
      assert.ok(await card(page, "4 Axe Ave").isHidden(), "what is done for a week is folded away");
      await page.locator("#older summary").click();
      assert.ok(await card(page, "4 Axe Ave").isVisible());
      if (width === 320) await page.getByRole("button", { name: /^Booked/ }).click();
      const drawer = await openCard(page, street);
      assert.equal(await focused(page), street);
      await drawer.getByText("Edit the job").click();
      await inspect(page, `drawer, ${width}`);
      assert.equal(await drawer.getByRole("link", { name: /^Call/ }).getAttribute("href"), "tel:+16195550101");
      assert.match(await drawer.getByRole("link", { name: /^Text/ }).getAttribute("href"), /^sms:\+16195550101\?body=Your%20pickup.*track%2F/);
      await page.keyboard.press("Escape");
      assert.equal(await focused(page), street, "back where it was opened");
      await page.getByRole("button", { name: "New job" }).click();
      await page.getByRole("button", { name: "Create the job" }).click();
      await page.locator("#create .problems").getByRole("link", { name: "Enter the street address" }).waitFor();
      await inspect(page, `new job with errors, ${width}`);
    }
    assert.equal((await firm.show(job.id)).status, "submitted");
  });

  test("by button: move, say it, undo, move on, cancel with a reason; the customer's page follows", async (t) => {
    const street = "5 Button Blvd";
    const job = await firm.take({ street });
    const customer = await firm.open(t, job.page);
    await customer.getByRole("heading", { name: /^Booked/ }).waitFor();
    const page = await firm.board(t);
    await search(page, street);
    await page.getByRole("button", { name: `Mark ready: ${street}` }).click();
    await card(page, street, "ready_for_pickup").waitFor();
    await toast(page, `${street} moved to Ready, 1 of 1`);
    await said(page, `${street} moved to Ready`);
    await now(customer);
    await customer.getByRole("heading", { name: /^Confirmed/ }).waitFor();
    await page.locator("#undo").click();
    await toast(page, `${street} is back in Booked`);
    await card(page, street, "submitted").waitFor();
    for (const [verb, status] of [["Mark ready", "ready_for_pickup"], ["Start job", "in_progress"], ["Complete job", "completed"]]) {
      await page.getByRole("button", { name: `${verb}: ${street}` }).click();
      // A step that is still being saved refuses the next one.
      await card(page, street, status).and(page.locator(":not([data-pending])")).waitFor();
    }
    await toast(page, "moved to Done");
    await now(customer);
    await customer.getByRole("heading", { name: "All done" }).waitFor();
    const drawer = await openCard(page, street);
    assert.ok(await drawer.getByRole("button", { name: "Cancel the job" }).isHidden());
    await drawer.getByRole("button", { name: "Undo the last step" }).click();
    await drawer.locator(".pill", { hasText: "In progress" }).waitFor();
    await drawer.getByLabel("Reason, kept in the history").fill("Nobody at home");
    await drawer.getByRole("button", { name: "Cancel the job" }).click();
    await toast(page, `${street} canceled`);
    await page.locator("#tray summary").click();
    await page.locator("#tray").getByText("Nobody at home").waitFor();
    await now(customer);
    await customer.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await customer.getByRole("heading", { name: "This job is canceled" }).waitFor();
    assert.deepEqual((await firm.show(job.id)).history.map(({ kind }) => kind), ["book", "move", "undo", "move", "move", "move", "undo", "cancel"]);
    await openCard(page, street);
    await drawer.getByRole("button", { name: "Take the cancellation back" }).click();
    await drawer.locator(".pill", { hasText: "In progress" }).waitFor();
    assert.match(await drawer.locator(".history").innerText(), /canceled it: Nobody at home[^]*took the cancellation back/);
  });

  test("a double click is one step of one job", async (t) => {
    const [first, second] = [await firm.take({ street: "22 Twice Tr" }), await firm.take({ street: "23 Twice Tr" })];
    const page = await firm.board(t);
    await search(page, "Twice Tr");
    await page.getByRole("button", { name: "Mark ready: 22 Twice Tr" }).dblclick();
    await toast(page, "22 Twice Tr moved to Ready");
    await page.locator("#undo").focus();
    await page.keyboard.press("Enter");
    await toast(page, "22 Twice Tr is back in Booked");
    assert.match(await focused(page), /22 Twice Tr$/, "the focus follows the job");
    assert.deepEqual([(await firm.show(first.id)).version, (await firm.show(second.id)).version], [3, 1]);
  });

  test("by keyboard alone, with the focus staying on the job", async (t) => {
    const street = "6 Key St";
    const job = await firm.take({ street });
    const page = await firm.board(t);
    await page.getByLabel("Find a job").focus();
    await page.keyboard.type(street);
    const reach = async (words) => {
      for (let tabs = 0; tabs < 20 && (await focused(page)) !== words; tabs++) await page.keyboard.press("Tab");
      assert.equal(await focused(page), words);
    };
    await reach(`Mark ready: ${street}`);
    await page.keyboard.press("Enter");
    await card(page, street, "ready_for_pickup").waitFor();
    await said(page, "moved to Ready");
    assert.equal(await focused(page), `Start job: ${street}`);
    await page.keyboard.press("Enter");
    await said(page, "moved to In progress");
    assert.equal(await focused(page), `Complete job: ${street}`);
    await page.keyboard.press("Space");
    await said(page, "moved to Done");
    assert.equal(await focused(page), street, "no step is left, so the focus is on its name");
    await page.keyboard.press("Enter");
    await reach("Undo the last step");
    await page.keyboard.press("Enter");
    await said(page, "is back in In progress");
    assert.equal(await focused(page), "Complete job", "the focus stays in the drawer");
    await page.keyboard.press("Escape");
    assert.equal(await focused(page), street);
    assert.equal((await firm.show(job.id)).status, "in_progress");
  });

  test("by drag: illegal columns are shown before the drop and refused in words", async (t) => {
    const street = "7 Drag Dr";
    const job = await firm.take({ street });
    const page = await firm.board(t);
    await search(page, street);
    assert.equal(await drag(page, street, "completed"), "no");
    assert.equal(await column(page, "ready_for_pickup").getAttribute("data-drop"), "yes");
    assert.equal(await column(page, "submitted").getAttribute("data-drop"), null);
    await page.mouse.up();
    await toast(page, `${street} can’t go from Booked to Done. The next step is Ready.`);
    await said(page, "can’t go from Booked to Done");
    await card(page, street, "submitted").waitFor();
    assert.equal((await firm.show(job.id)).version, 1, "nothing was asked for");
    assert.equal(await page.locator("[data-drop], [data-over]").count(), 0);
    assert.equal(await drag(page, street, "ready_for_pickup"), "yes");
    await page.mouse.up();
    await card(page, street, "ready_for_pickup").waitFor();
    await toast(page, "moved to Ready");
    assert.equal((await firm.show(job.id)).status, "ready_for_pickup");
  });

  test("by touch, on a phone", async (t) => {
    const street = "8 Tap Ter";
    const job = await firm.take({ street });
    const page = await firm.board(t, { viewport: { width: 390, height: 800 }, hasTouch: true, isMobile: true });
    await card(page, street).waitFor();
    assert.equal(await card(page, street).getAttribute("draggable"), "false");
    await page.getByRole("button", { name: `Mark ready: ${street}` }).tap();
    await toast(page, "moved to Ready");
    assert.ok(await card(page, street).isHidden(), "it has gone to another tab");
    await page.getByRole("button", { name: /^Ready/ }).tap();
    await page.getByRole("button", { name: `Start job: ${street}` }).tap();
    await toast(page, "moved to In progress");
    await page.locator("#undo").tap();
    await toast(page, "is back in Ready");
    assert.equal((await firm.show(job.id)).status, "ready_for_pickup");
    for (const { width, height } of await page.locator("button:visible, main a:visible, summary:visible").evaluateAll((all) => all.map((one) => one.getBoundingClientRect().toJSON()))) {
      assert.ok(width >= 24 && height >= 40, `a target of ${width} × ${height}`);
    }
  });

  test("two dispatchers on one job: the later one is told, and sees how it stands", async (t) => {
    const street = "9 Both Ct";
    const job = await firm.take({ street });
    const [left, right] = [await firm.board(t), await firm.board(t)];
    for (const page of [left, right]) await search(page, street);
    await card(right, street, "submitted").waitFor();
    await left.getByRole("button", { name: `Mark ready: ${street}` }).click();
    await toast(left, "moved to Ready");
    await left.getByRole("button", { name: `Start job: ${street}` }).click();
    await toast(left, "moved to In progress");
    const answer = right.waitForResponse("**/transitions");
    await right.getByRole("button", { name: `Mark ready: ${street}` }).click();
    assert.equal((await answer).status(), 412);
    await toast(right, `you already moved ${street} to In progress.`);
    await said(right, "This is how it stands now");
    await card(right, street, "in_progress").waitFor();
    assert.equal((await firm.show(job.id)).version, 3);
    // The same idea at the same time is no quarrel.
    await Promise.all([left, right].map((page) => page.getByRole("button", { name: `Complete job: ${street}` }).click()));
    await Promise.all([left, right].map((page) => toast(page, "moved to Done")));
    assert.equal((await firm.show(job.id)).version, 4);
  });

  test("offline in the middle of a move: rolled back with words, and fresh at once on coming back", async (t) => {
    const [street, other] = ["10 Gone Gln", "11 Gone Gln"];
    const [job, second] = [await firm.take({ street }), await firm.take({ street: other })];
    const page = await firm.board(t);
    await search(page, "Gone Gln");
    await page.route("**/transitions", async (route) => {
      await page.context().setOffline(true);
      await route.abort("internetdisconnected");
    });
    await page.getByRole("button", { name: `Mark ready: ${street}` }).click();
    await card(page, street, "submitted").waitFor();
    await toast(page, "It is not known whether this was saved: the service could not be reached.");
    await page.getByText("The board is read-only until the connection is back").waitFor();
    await inspect(page, "read-only");
    await page.getByRole("button", { name: `Mark ready: ${street}` }).click({ force: true });
    await toast(page, "Offline: the board is read-only.");
    await firm.jobs("move", second.id);
    await page.unroute("**/transitions");
    // With no timer left, only the connection's return can make the board ask.
    await page.evaluate(() => {
      for (let id = setTimeout(() => {}); id > 0; id--) clearTimeout(id);
    });
    await page.context().setOffline(false);
    await card(page, other, "ready_for_pickup").waitFor();
    await page.locator("#offline").waitFor({ state: "hidden" });
    assert.equal((await firm.show(job.id)).status, "submitted");
  });

  test("a change whose answer is lost was made, once", async (t) => {
    const street = "12 Echo Way";
    const job = await firm.take({ street });
    const page = await firm.board(t);
    await page.route("**/cancel", async (route) => {
      await route.fetch();
      await route.abort();
    }, { times: 1 });
    const drawer = await openCard(page, street);
    await drawer.getByLabel("Reason, kept in the history").fill("Once");
    await drawer.getByRole("button", { name: "Cancel the job" }).click();
    await toast(page, `${street} canceled`);
    assert.equal((await firm.show(job.id)).version, 2);
  });

  test("polling disturbs neither a drag nor a word that is being typed", async (t) => {
    const street = "13 Calm Cir";
    const job = await firm.take({ street, name: "Before" });
    const other = await firm.take({ street: "14 Calm Cir" });
    const page = await firm.board(t);
    await search(page, "Calm Cir");
    await card(page, street).waitFor();
    assert.equal(await drag(page, street, "ready_for_pickup"), "yes");
    await firm.jobs("move", other.id);
    await news(page);
    assert.equal(await card(page, "14 Calm Cir", "submitted").count(), 1, "the board holds still");
    assert.equal(await column(page, "ready_for_pickup").getAttribute("data-drop"), "yes");
    await page.mouse.up();
    await card(page, street, "ready_for_pickup").waitFor();
    await card(page, "14 Calm Cir", "ready_for_pickup").waitFor();

    const drawer = await openCard(page, street);
    await drawer.getByText("Edit the job").click();
    const name = drawer.getByLabel("Name");
    await name.fill("Half a w");
    await drawer.getByLabel("Reason, kept in the history").fill("Half a reason");
    await name.focus();
    await firm.jobs("move", job.id);
    await news(page);
    await drawer.locator(".pill", { hasText: "In progress" }).waitFor();
    assert.equal(await name.inputValue(), "Half a w");
    assert.equal(await drawer.getByLabel("Reason, kept in the history").inputValue(), "Half a reason");
    assert.ok(await name.evaluate((input) => input === document.activeElement));
    assert.equal(await page.getByLabel("Find a job").inputValue(), "Calm Cir");
    await drawer.getByRole("button", { name: "Save", exact: true }).click();
    await drawer.locator('[data-f="name"]', { hasText: "Half a w" }).waitFor();
    assert.equal((await firm.show(job.id)).name, "Half a w", "a move by someone else is no reason to refuse it");
  });

  test("everything about a job can be put right, and only what was changed is sent", async (t) => {
    const street = "15 Edit Est";
    const job = await firm.take({ street });
    const page = await firm.board(t);
    const drawer = await openCard(page, street);
    await drawer.getByText("Edit the job").click();
    const fill = async (fields) => {
      for (const [label, value] of Object.entries(fields)) await drawer.getByLabel(label, { exact: true }).fill(value);
    };
    await fill({ Phone: "12", "Price in dollars": "much" });
    await drawer.getByRole("button", { name: "Save", exact: true }).click();
    await drawer.getByRole("link", { name: "Enter the price in dollars, like 330 or 329.50" }).click();
    assert.equal(await page.evaluate(() => document.activeElement.name), "price");
    await fill({ "Price in dollars": "$1,329.50" });
    await drawer.getByRole("button", { name: "Save", exact: true }).click();
    await drawer.getByRole("link", { name: "Enter a phone number with its area code" }).waitFor();
    await fill({ Phone: "619-555-0199", Name: "Bo", "ZIP code": "92102", Load: "Two sofas", "How to get in, if it needs saying": "Code 7", Day: day(3) });
    const sent = page.waitForRequest((request) => request.method() === "PATCH");
    await drawer.getByRole("button", { name: "Save", exact: true }).click();
    const body = (await sent).postDataJSON();
    assert.deepEqual(body, { name: "Bo", phone: "619-555-0199", address: { zip: "92102" }, price_cents: 132950, details: "Two sofas", access: "Code 7", window: { date: day(3) } });
    await drawer.getByText("$1329.50").waitFor();
    const { phone, price_cents: cents, window, city } = { ...(await firm.show(job.id)), ...(await firm.show(job.id)).address };
    assert.deepEqual([phone, cents, window, city], ["+16195550199", 132950, { date: day(3), part: "morning" }, "San Diego"]);
    // Someone else is quicker: what is typed stays, and saving again means it.
    await fill({ Name: "Mine" });
    await page.route("**/api/v1/jobs?since=*", (route) => route.fulfill({ status: 204 }));
    await page.evaluate(async ({ id, version }) => {
      const bytes = new TextEncoder().encode('{"name":"Theirs"}');
      const hash = [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      await fetch(`/api/v1/jobs/${id}`, { method: "PATCH", body: bytes, headers: { "content-type": "application/json", "x-amz-content-sha256": hash, "if-match": `"${version}"` } });
    }, await firm.show(job.id));
    await drawer.getByRole("button", { name: "Save", exact: true }).click();
    await drawer.getByText("This is how it stands now.").waitFor();
    assert.equal(await drawer.getByLabel("Name", { exact: true }).inputValue(), "Mine");
    await drawer.locator('[data-f="name"]', { hasText: "Theirs" }).waitFor();
    await drawer.getByRole("button", { name: "Save", exact: true }).click();
    await drawer.locator('[data-f="name"]', { hasText: "Mine" }).waitFor();
  });

  test("an old step is taken back with a note", async (t) => {
    const { street } = late.address;
    const page = await firm.board(t);
    const drawer = await openCard(page, street);
    await drawer.getByRole("button", { name: "Undo the last step" }).click();
    const note = drawer.getByLabel("This step is more than 15 minutes old. Why is it undone?");
    await note.waitFor();
    assert.ok(await note.evaluate((input) => input === document.activeElement));
    await inspect(page, "note");
    await note.fill("Wrong job");
    await page.keyboard.press("Enter");
    await drawer.locator(".pill", { hasText: "Booked" }).waitFor();
    assert.ok(await note.isHidden());
    assert.match(await drawer.locator(".history").innerText(), /took it back to Booked: Wrong job/);
  });

  test("a booking that needs a look is marked, until somebody has looked", async (t) => {
    const street = "17 Look Lp";
    const customer = await firm.open(t, "/book/");
    await customer.getByText("One item", { exact: true }).click();
    for (const [name, value] of Object.entries({ details: "A sofa", street, city: "Far", zip: "10001", date: day(1), name: "Far Away", phone: "6195550101" })) await customer.locator(`#book [name="${name}"]`).fill(value);
    await customer.getByRole("button", { name: "Book this pickup" }).click();
    await customer.getByRole("heading", { name: "You are booked" }).waitFor();
    const page = await firm.board(t);
    await card(page, street).getByText("Look first").waitFor();
    const drawer = await openCard(page, street);
    await inspect(page, "look first");
    await drawer.getByRole("button", { name: "It is fine" }).click();
    await toast(page, "is looked at");
    assert.equal(await focused(page), street);
    await page.keyboard.press("Escape");
    assert.ok(await card(page, street).getByText("Look first").isHidden());
  });

  test("a session that ended in between: sign in, and the move is made once", async (t) => {
    const street = "18 Night Rd";
    const job = await firm.take({ street });
    const page = await firm.open(t, "/dashboard/", { viewport: { width: 1280, height: 900 } });
    await signIn(page, "maria");
    await card(page, street).waitFor();
    await page.context().clearCookies();
    let moves = 0;
    page.on("request", (request) => (moves += request.url().endsWith("/transitions")));
    await page.getByRole("button", { name: `Mark ready: ${street}` }).click();
    await page.getByText("Your session has ended.").waitFor();
    assert.equal(await page.getByLabel("User name").inputValue(), "maria");
    assert.equal(await page.evaluate(() => document.activeElement.id), "passphrase");
    await inspect(page, "session ended");
    await page.getByLabel("Passphrase").fill(firm.passphrases.maria);
    await page.keyboard.press("Enter");
    await toast(page, `${street} moved to Ready`);
    assert.equal(moves, 2, "once refused, once made");
    assert.equal((await firm.show(job.id)).version, 2);
    // A poll finds the session ended: what is being typed is still there afterwards.
    const drawer = await openCard(page, street);
    await drawer.getByLabel("Reason, kept in the history").fill("Half a reason");
    await page.context().clearCookies();
    await now(page);
    await page.getByText("Your session has ended.").waitFor();
    await signIn(page, "maria");
    await page.locator("#again").waitFor({ state: "hidden" });
    assert.equal(await drawer.getByLabel("Reason, kept in the history").inputValue(), "Half a reason");
    await page.context().clearCookies();
    await now(page);
    await page.getByText("Your session has ended.").waitFor();
    await page.keyboard.press("Escape");
    await page.getByLabel("User name").waitFor();
    assert.equal(await page.locator("dialog[open]").count(), 0);
    assert.equal(await page.locator("li.job").count(), 0, "whoever gives up leaves nothing on the screen");
  });

  test("a job by phone, once, whatever the network does", async (t) => {
    const page = await firm.board(t);
    await page.getByRole("button", { name: "New job" }).click();
    const form = page.locator("#create");
    for (const [label, value] of Object.entries({ Name: "Caller", Phone: "6195550177", "Street address": "19 Call Ct", City: "La Mesa", "ZIP code": "91942", Load: "Piano" })) await form.getByLabel(label, { exact: true }).fill(value);
    await page.route("**/api/v1/staff/jobs", async (route) => {
      await route.fetch();
      await route.abort();
    }, { times: 1 });
    await form.getByRole("button", { name: "Create the job" }).dblclick();
    await toast(page, "19 Call Ct added to Booked");
    const made = (await firm.list()).filter((job) => job.name === "Caller");
    assert.equal(made.length, 1);
    assert.equal(made[0].price_cents, 9500, "the list price");
    assert.equal(made[0].history[0].who, "you");
  });

  test("a hostile job is text in every corner of the board, and in the file", async (t) => {
    const text = HOSTILE;
    const job = await firm.take({ street: text, name: text, city: text, details: text, access: text, email: "x@example.com" });
    const page = await firm.board(t);
    await search(page, "onerror");
    await card(page, text).waitFor();
    const drawer = await openCard(page, text);
    for (const field of ["title", "name", "where", "details", "access"]) assert.ok((await drawer.locator(`[data-f="${field}"]`).first().innerText()).includes(text), field);
    await drawer.getByLabel("Reason, kept in the history").fill(text);
    await drawer.getByRole("button", { name: "Cancel the job" }).click();
    await toast(page, text);
    await said(page, text);
    await page.locator("#tray summary").click();
    await openCard(page, text);
    assert.equal(await page.locator("main img, dialog img").count(), 0);
    const download = page.waitForEvent("download");
    await page.keyboard.press("Escape");
    await page.getByLabel("Month to export").selectOption(job.window.date.slice(0, 7));
    await page.getByRole("link", { name: "Export" }).click();
    const csv = await (await import("node:fs/promises")).readFile(await (await download).path(), "utf8");
    assert.equal((await download).suggestedFilename(), `jobs-${job.window.date.slice(0, 7)}.csv`);
    for (const cell of csv.match(/(?<=^|,)"(?:[^"]|"")*"/gm)) assert.doesNotMatch(cell, /^"[=+@-]/, "no cell is a formula");
  });

  test("a new link turns the old one off", async (t) => {
    const street = "20 Link Ln";
    const job = await firm.take({ street });
    const page = await firm.board(t, { permissions: ["clipboard-read", "clipboard-write"] });
    const drawer = await openCard(page, street);
    await drawer.getByRole("button", { name: "Make a new link" }).click();
    await toast(page, "New link made.");
    await drawer.getByRole("button", { name: "Copy the link" }).click();
    await toast(page, "Link copied");
    const link = await page.evaluate(() => navigator.clipboard.readText());
    assert.notEqual(new URL(link).pathname, job.page);
    const statuses = [];
    for (const one of [job.page, new URL(link).pathname]) statuses.push((await fetch(`${firm.origin}/api/v1${one}`)).status);
    assert.deepEqual(statuses, [404, 200]);
  });

  test("who wants no motion gets none", async (t) => {
    const street = "21 Still St";
    const job = await firm.take({ street });
    for (let steps = 0; steps < 2; steps++) await firm.jobs("move", job.id);
    const page = await firm.board(t, { reducedMotion: "reduce" });
    await page.getByRole("button", { name: `Complete job: ${street}` }).click();
    await toast(page, "moved to Done");
    const moving = () => page.evaluate(() => document.getAnimations().filter((one) => one.effect.getComputedTiming().duration > 0).length);
    assert.equal(await moving(), 0);
    await firm.jobs("undo", job.id);
    await page.goto(firm.origin + job.page);
    await page.getByRole("heading", { name: "Crew on site" }).waitFor();
    assert.equal(await moving(), 0);
  });

  test("a late answer about one job leaves the open drawer of another alone", async (t) => {
    const [first, second] = [await firm.take({ street: "24 Slow St" }), await firm.take({ street: "25 Slow St", city: "La Mesa" })];
    const page = await firm.board(t);
    await search(page, "Slow St");
    const drawer = await openCard(page, "24 Slow St");
    await drawer.getByText("Edit the job").click();
    await drawer.getByLabel("Price in dollars").fill("400");
    const save = await hold(page, `**/api/v1/jobs/${first.id}`, "PATCH");
    await drawer.getByRole("button", { name: "Save", exact: true }).click();
    await save.held;
    await page.keyboard.press("Escape");
    await openCard(page, "25 Slow St");
    await drawer.getByText("Edit the job").click();
    await drawer.getByLabel("Name", { exact: true }).fill("Half a w");
    save.release();
    await toast(page, "24 Slow St saved");
    assert.equal(await drawer.getByLabel("Street address").inputValue(), "25 Slow St");
    assert.equal(await drawer.getByLabel("Name", { exact: true }).inputValue(), "Half a w");
    assert.ok(await drawer.getByLabel("Name", { exact: true }).evaluate((input) => input === document.activeElement));
    await drawer.getByRole("button", { name: "Save", exact: true }).click();
    await toast(page, "25 Slow St saved");
    const { name, price_cents: cents, address } = await firm.show(second.id);
    assert.deepEqual([name, cents, address.street, address.city], ["Half a w", 33000, "25 Slow St", "La Mesa"]);
    assert.equal((await firm.show(first.id)).price_cents, 40000);

    // What is typed while a save of the same job is on its way is the next change.
    const again = await hold(page, `**/api/v1/jobs/${second.id}`, "PATCH");
    await drawer.getByLabel("Price in dollars").fill("410");
    await drawer.getByRole("button", { name: "Save", exact: true }).click();
    await again.held;
    await drawer.getByLabel("Load").fill("A piano");
    again.release();
    await drawer.getByText("$410").waitFor();
    assert.equal(await drawer.getByLabel("Load").inputValue(), "A piano");
    await drawer.getByRole("button", { name: "Save", exact: true }).click();
    await drawer.locator('[data-f="details"]', { hasText: "A piano" }).waitFor();
    await page.keyboard.press("Escape");

    await openCard(page, "24 Slow St");
    await drawer.getByLabel("Reason, kept in the history").fill("Sold it");
    const cancel = await hold(page, "**/cancel");
    await drawer.getByRole("button", { name: "Cancel the job" }).click();
    await cancel.held;
    await page.keyboard.press("Escape");
    await openCard(page, "25 Slow St");
    cancel.release();
    await toast(page, "24 Slow St canceled");
    assert.ok(await drawer.isVisible());
    assert.equal(await drawer.locator('[data-f="title"]').innerText(), "25 Slow St");
  });

  test("a job by phone that is answered late takes no word of the next one", async (t) => {
    const page = await firm.board(t);
    const form = page.locator("#create");
    const fill = async (fields) => {
      for (const [label, value] of Object.entries(fields)) await form.getByLabel(label, { exact: true }).fill(value);
    };
    await page.getByRole("button", { name: "New job" }).click();
    await fill({ Name: "First", Phone: "6195550178", "Street address": "26 Next St", City: "La Mesa", "ZIP code": "91942", Load: "Piano" });
    const create = await hold(page, "**/api/v1/staff/jobs");
    await form.getByRole("button", { name: "Create the job" }).click();
    await create.held;
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "New job" }).click();
    await fill({ Name: "Second", "Street address": "27 Next St" });
    create.release();
    await toast(page, "26 Next St added to Booked");
    assert.ok(await page.locator("#phone-job").isVisible());
    assert.equal(await form.getByLabel("Name", { exact: true }).inputValue(), "Second");
    await form.getByRole("button", { name: "Create the job" }).click();
    await toast(page, "27 Next St added to Booked");
    assert.ok(await page.locator("#phone-job").isHidden());
  });

  test("undo takes back what was said and no later step", async (t) => {
    const street = "28 Later Ln";
    const job = await firm.take({ street });
    const page = await firm.board(t);
    await search(page, street);
    await page.getByRole("button", { name: `Mark ready: ${street}` }).click();
    await toast(page, "moved to Ready");
    // Whoever is on the way to the button when a colleague is quicker is told, and undoes nothing.
    await page.locator("#undo").focus();
    await firm.jobs("move", job.id);
    await news(page);
    await card(page, street, "in_progress").waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), "undo", "the focus stays where it was");
    await page.keyboard.press("Enter");
    await toast(page, `maria already moved ${street} to In progress.`);
    assert.equal((await firm.show(job.id)).status, "in_progress");
    await page.getByRole("button", { name: `Complete job: ${street}` }).click();
    await toast(page, "moved to Done");
    await page.mouse.move(640, 5);
    // With no timer left, only the news can take it away.
    await page.evaluate(() => {
      for (let id = setTimeout(() => {}); id > 0; id--) clearTimeout(id);
    });
    await firm.jobs("undo", job.id);
    await news(page);
    await page.locator("#toast").waitFor({ state: "hidden" });
    assert.equal((await firm.show(job.id)).version, 5);
  });

  test("where no answer came, it is not said that nothing was saved, and no job is made twice", async (t) => {
    const street = "29 Unknown Way";
    const job = await firm.take({ street });
    const page = await firm.board(t);
    await search(page, street);
    const lose = (address) => page.route(address, async (route) => {
      await route.fetch();
      await route.abort();
    });
    await page.clock.install();
    await lose("**/transitions");
    await page.getByRole("button", { name: `Mark ready: ${street}` }).click();
    // A clock that does not wait for the tries.
    const lost = toast(page, "It is not known whether this was saved: the service could not be reached.").then(() => true);
    for (let tries = 0; tries < 40 && !(await Promise.race([lost, new Promise((done) => setTimeout(done, 250))])); tries++) await page.clock.fastForward(8000);
    await lost;
    assert.doesNotMatch(await page.locator("#toast").innerText(), /as it was|not saved:/i);
    // The board looks by itself.
    await card(page, street, "ready_for_pickup").waitFor();
    assert.equal((await firm.show(job.id)).version, 2);

    await lose("**/api/v1/staff/jobs");
    const form = page.locator("#create");
    await page.getByRole("button", { name: "New job" }).click();
    for (const [label, value] of Object.entries({ Name: "Unknown", Phone: "6195550179", "Street address": "30 Unknown Way", City: "La Mesa", "ZIP code": "91942", Load: "Piano" })) await form.getByLabel(label, { exact: true }).fill(value);
    await form.getByRole("button", { name: "Create the job" }).click();
    const told = form.getByText("It is not known whether the job was saved").waitFor().then(() => true);
    for (let tries = 0; tries < 40 && !(await Promise.race([told, new Promise((done) => setTimeout(done, 250))])); tries++) await page.clock.fastForward(3000);
    await told;
    assert.equal(await page.evaluate(() => document.activeElement.id), "create-error");
    await page.unroute("**/api/v1/staff/jobs");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "New job" }).click();
    await form.getByRole("button", { name: "Create the job" }).click();
    await toast(page, "30 Unknown Way added to Booked");
    assert.equal((await firm.list()).filter(({ name }) => name === "Unknown").length, 1);
  });

  test("who signs out or in does so in every tab, and leaves no word behind", async (t) => {
    const street = "31 Tab Ter";
    await firm.take({ street });
    const page = await firm.board(t);
    await page.getByText("Signed in as you").waitFor();
    await search(page, "31 Tab");
    await page.getByRole("button", { name: `Mark ready: ${street}` }).click();
    await toast(page, "moved to Ready");
    await page.getByRole("button", { name: "New job" }).click();
    await page.locator("#create").getByLabel("Name", { exact: true }).fill("Not for maria");
    const other = await page.context().newPage();
    await other.goto(`${firm.origin}/dashboard/`);
    await card(other, street).waitFor();
    await other.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("User name").waitFor();
    assert.equal(await page.locator("li.job, dialog[open], #toast:visible").count(), 0);
    await other.getByLabel("User name").waitFor();
    await signIn(other, "maria");
    for (const one of [other, page]) {
      await one.getByText("Signed in as maria").waitFor();
      await card(one, street).waitFor();
    }
    assert.equal(await page.getByLabel("Find a job").inputValue(), "");
    await page.getByRole("button", { name: "New job" }).click();
    assert.equal(await page.locator("#create").getByLabel("Name", { exact: true }).inputValue(), "");
  });

  test("words without an end widen nothing, on the board, in the job and for the customer", async (t) => {
    const long = `${"W".repeat(45)}${"i".repeat(75)}`;
    const job = await firm.take({ street: long, name: long, city: "Q".repeat(60), email: `${"m".repeat(60)}@example.com`, details: `https://example.com/${"d".repeat(90)}`, access: "G".repeat(110) });
    const fits = async (page, place) => {
      const wide = await page.locator(place).evaluateAll((all) => all.filter((one) => one.scrollWidth > one.clientWidth).map((one) => `${one.id || one.tagName}: ${one.scrollWidth} > ${one.clientWidth}`));
      assert.deepEqual(wide, [], place);
    };
    for (const width of [320, 1280]) {
      const page = await firm.board(t, { viewport: { width, height: 900 } });
      await search(page, long);
      await card(page, long).waitFor();
      await fits(page, "html, .column:visible, li.job:visible");
      const drawer = await openCard(page, long);
      await drawer.getByText("Edit the job").click();
      await fits(page, "html, #job, #job header, #job dd");
      assert.ok((await drawer.getByRole("button", { name: "Close" }).boundingBox()).width > 40);
      await drawer.getByRole("button", { name: "Make a new link" }).click();
      await page.locator("#toast").waitFor();
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: `${width === 320 ? "Mark ready" : "Start job"}: ${long}` }).click();
      await toast(page, "moved to");
      await fits(page, "html, #toast");
      const customer = await firm.open(t, new URL((await firm.show(job.id)).tracking_url).pathname, { viewport: { width, height: 900 } });
      await customer.getByText(long).waitFor();
      await fits(customer, "html, .card:visible, dd");
    }
  });

  test("the months to export reach as far ahead as bookings do", async (t) => {
    const page = await firm.board(t);
    await page.clock.install({ time: "2026-11-27T20:00:00Z" });
    await page.reload();
    await page.locator("#board").waitFor();
    const months = await page.locator("#month option").evaluateAll((all) => all.map(({ value }) => value));
    assert.deepEqual([months[1], months.at(-1), months.includes("2026-11")], ["2027-05", "2025-12", true]);
  });
});
