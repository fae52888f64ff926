"use strict";
// Looks at a dashboard with a real browser, and does what a person does.
//
//   NODE_PATH=…/node_modules node browser.cjs visit URL FOLDER     every page in every look, and a letter that is brought back
//   NODE_PATH=…/node_modules node browser.cjs glance URL FOLDER    the same in two looks
//   NODE_PATH=…/node_modules node browser.cjs sign-in URL FOLDER   a gateway with tokens
//   NODE_PATH=…/node_modules node browser.cjs story URL FOLDER     an order from its mistake to its shipment
//   NODE_PATH=…/node_modules node browser.cjs busy URL FOLDER      live events that come faster than anybody reads
//   NODE_PATH=…/node_modules node browser.cjs outage URL FOLDER    pages that stay open while the broker is away
//
// Writes a picture of each page to the folder. Ends with 1 and says why when something is not as it should be.
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const { chromium } = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [mode, url, folder] = process.argv.slice(2);
const executablePath = process.env.BLOODBANK_CHROMIUM || "/usr/bin/chromium";

const LOOKS = {
  light: { colorScheme: "light", viewport: { width: 1280, height: 800 } },
  dark: { colorScheme: "dark", viewport: { width: 1280, height: 800 } },
  phone: { colorScheme: "light", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true },
  wide: { colorScheme: "light", viewport: { width: 2200, height: 1200 } },
};

/** What nobody wants to see: complaints of the browser, such as a script that the policy forbids, and what a payload does. */
function complaintsOf(page) {
  const complaints = [];
  page.on("console", (line) => {
    // That a page is refused is no complaint.
    if (line.type() === "error" && !/status of (401|403|404|422)/.test(line.text())) complaints.push(line.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  return complaints;
}

/** What axe finds against WCAG 2.2 AA and its best practice. */
async function barriers(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html.slice(0, 200)).join("; ")}`);
}

// A picture is for people: where the browser cannot take one on a busy machine, it is asked once more.
const picture = (page, name) => {
    const take = () => page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: !/wide|docs/.test(name) });
    return take().catch(take);
};

/** Every page, by the name of its picture. */
async function places(browser) {
  const page = await browser.newPage();
  const follow = async (place, selector) => {
    await page.goto(url + place);
    return new URL(await page.locator(selector).first().getAttribute("href"), url).href.slice(url.length);
  };
  const group = await follow("/dashboard/dead-letters", "main tbody th a");
  const letter = await follow(group, "main tbody th a");
  const lost = await follow(letter, "main dd a");
  // The newest events are those that were given up; an older one went well.
  await page.goto(`${url}/dashboard/live?pattern=shop.order.shipped`);
  const trace = new URL(await page.locator("#rows th a").first().getAttribute("href"), url).href.slice(url.length);
  await page.close();
  return {
    overview: "/",
    events: "/dashboard/events",
    event: "/dashboard/events/shop.order.placed",
    publish: "/dashboard/events/shop.order.placed/publish?fill=example",
    "publish-json": "/dashboard/events/shop.order.placed/publish?as=json&fill=example",
    "not-found": "/dashboard/events/no.such.event",
    live: "/dashboard/live",
    "trace-search": "/dashboard/trace",
    trace,
    "trace-lost": lost,
    "dead-letters": "/dashboard/dead-letters",
    group,
    letter,
    edit: `${letter}/edit`,
    flow: "/dashboard/flow",
    commands: "/dashboard/commands",
    history: "/dashboard/history",
    replay: "/dashboard/replays/new?pattern=shop.%23",
    outbox: "/dashboard/outbox",
    docs: "/docs",
    asyncapi: "/asyncapi",
  };
}

async function looks(browser, names) {
  const all = await places(browser);
  for (const [look, options] of Object.entries(LOOKS).filter(([look]) => names.includes(look))) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    const complaints = complaintsOf(page);
    for (const [name, place] of Object.entries(all)) {
      await page.goto(url + place, { waitUntil: "load" });
      if (name === "docs") await page.locator("summary").first().click();
      await picture(page, `${name}-${look}`);
      assert.deepEqual(await barriers(page), [], `${name}, ${look}`);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `${name}, ${look}: the page is ${overflow} pixels wider than the screen`);
    }
    assert.deepEqual(complaints, [], look);
    await context.close();
  }
}

async function keys(browser) {
  const page = await browser.newPage();
  await page.goto(`${url}/`);
  await page.keyboard.press("?");
  await page.locator("dialog[open]").waitFor();
  await picture(page, "keys-light");
  assert.deepEqual(await barriers(page), [], "keys");
  await page.keyboard.press("Escape");
  await page.keyboard.type("ge");
  await page.waitForURL("**/dashboard/events");
  await page.keyboard.press("/");
  await page.keyboard.type("placed");
  await page.waitForURL("**/dashboard/events?q=placed");
  assert.equal(await page.locator("main tbody tr").count(), 1, "the search shows what fits");
  await page.locator("main tbody a").focus();
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/dashboard/events/shop.order.placed");
  await page.close();
}

/** A list grows and shrinks, and a graph is moved and zoomed, with the keyboard alone. */
async function hands(browser) {
  const page = await browser.newPage();
  await page.goto(`${url}/dashboard/events/shop.order.placed/publish`);
  await page.getByRole("button", { name: "Add to lines" }).focus();
  await page.keyboard.press("Enter");
  await page.getByLabel("sku").waitFor();
  await page.getByRole("button", { name: "Remove lines 1" }).focus();
  await page.keyboard.press("Enter");
  await page.getByLabel("sku").waitFor({ state: "detached" });
  await page.goto(`${url}/dashboard/flow`);
  const drawing = page.locator(".graph svg");
  const width = async () => Number(await drawing.getAttribute("width"));
  const before = await width();
  await page.locator(".graph").focus();
  await page.keyboard.press("+");
  assert.ok((await width()) > before, "the graph grows");
  await page.keyboard.press("0");
  assert.equal(await width(), before);
  await page.close();
}

/** Without JavaScript everything can be read, and searched. */
async function withoutScripts(browser) {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  for (const place of Object.values(await places(browser))) {
    await page.goto(url + place);
    assert.ok((await page.locator("h1").textContent()).length > 2, place);
  }
  await page.goto(`${url}/dashboard/events`);
  await page.getByRole("searchbox").fill("charged");
  await page.getByRole("button", { name: "Search" }).click();
  assert.equal(await page.locator("main tbody tr").count(), 1);
  await context.close();
}

/** Finds a failure, corrects it with a mistake at first, and sees that it is handled. */
async function bringBack(browser) {
  const page = await browser.newPage();
  const complaints = complaintsOf(page);
  await page.goto(`${url}/dashboard`);
  await page.keyboard.type("gd");
  await page.waitForURL("**/dashboard/dead-letters");
  await page.locator("main tbody th a").first().click();
  await page.locator("main tbody th a").first().click();
  await page.getByText("Yes: this program reads the event").waitFor();
  await page.getByRole("link", { name: "Edit and redrive" }).click();
  const payload = page.getByLabel("Payload");
  const order = JSON.parse(await payload.inputValue());
  order.address.country = "DE";
  await payload.fill(JSON.stringify({ ...order, total_cents: 0 }, null, 2));
  await page.getByRole("button", { name: "Redrive the corrected event" }).click();
  await page.getByRole("alert").getByText("/total_cents").waitFor();
  assert.deepEqual(await barriers(page), [], "a refused correction");
  await picture(page, "edit-refused-light");
  await payload.fill(JSON.stringify(order, null, 2));
  await page.getByRole("button", { name: "Redrive the corrected event" }).click();
  await page.getByRole("status").getByText("is on its way").waitFor();
  await picture(page, "edited-light");
  assert.equal(await page.locator("main tbody tr").count(), 2, "the letter is closed, and the others are there");
  await page.getByRole("checkbox").first().check();
  await page.getByRole("button", { name: "Discard the selected" }).click();
  await page.getByRole("heading", { name: "Discard 1 dead letter?" }).waitFor();
  await picture(page, "discard-light");
  await page.getByRole("button", { name: "Discard 1 dead letter" }).click();
  await page.getByRole("heading", { name: "1 dead letter was discarded" }).waitFor();
  await picture(page, "discarded-light");
  assert.deepEqual(await barriers(page), [], "discarded");
  assert.deepEqual(complaints, []);
  await page.close();
}

async function visit(browser) {
  await keys(browser);
  await hands(browser);
  await withoutScripts(browser);
  await looks(browser, Object.keys(LOOKS));
  await bringBack(browser);
}

/** The pages are the same on every bus; what they say of it may be wider. */
async function glance(browser) {
  await looks(browser, ["light", "phone"]);
  await bringBack(browser);
}

/** Publishes with a mistake and its correction, watches it live, follows it, and brings back what failed. */
async function story(browser) {
  const context = await browser.newContext(LOOKS.light);
  const [live, page] = [await context.newPage(), await context.newPage()];
  const complaints = [complaintsOf(live), complaintsOf(page)].flat();
  await live.goto(`${url}/dashboard/live?pattern=shop.%23`);
  await live.getByText("Events come by themselves.").waitFor();

  await page.goto(`${url}/dashboard/events/shop.order.placed`);
  await page.getByRole("link", { name: "Publish" }).click();
  await page.getByLabel("order_id").fill("o-story");
  await page.getByLabel("total_cents").fill("0");
  // The fault stands at its field while one types, and nothing is said of what nobody has come to yet.
  await page.locator("[id='e/total_cents'] p").waitFor();
  assert.equal(await page.locator(".fault p").count(), 1, "one fault");
  await page.getByLabel("total_cents").fill("4200");
  await page.locator("[id='e/total_cents'] p").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Add to lines" }).click();
  await page.getByLabel("sku").fill("A-17");
  await page.getByLabel("count", { exact: true }).fill("none");
  await page.getByLabel("street").fill("Main Street 1");
  await page.getByLabel("town").fill("Springfield");
  await page.getByLabel("country").fill("XX");
  await page.getByLabel("speed").selectOption("express");
  await page.getByRole("button", { name: "Publish", exact: true }).last().click();
  await page.locator("#faults").getByText("/lines/0/count").waitFor();
  assert.deepEqual(await barriers(page), [], "a refused form");
  await picture(page, "publish-refused-light");
  await page.getByLabel("count", { exact: true }).fill("2");
  await page.locator("#faults").getByText("/lines/0/count").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Publish", exact: true }).last().click();
  await page.getByRole("status").getByText("Published as").waitFor();
  await picture(page, "published-light");

  await live.locator("#rows tr", { hasText: "o-story" }).first().waitFor();
  await page.getByRole("link", { name: "See its trace" }).click();
  const place = page.url();
  // The subscriber gives the order up in its own time.
  const given = async (text) => {
    for (let attempts = 0; attempts < 100; attempts += 1) {
      if (await page.getByText(text).count()) return;
      await page.waitForTimeout(300);
      await page.goto(place);
    }
    assert.fail(`never ${text} at ${place}`);
  };
  await given("Given up in");
  await picture(page, "story-lost-light");
  assert.deepEqual(await barriers(page), [], "a trace of what was given up");
  await page.keyboard.type("gd");
  await page.waitForURL("**/dashboard/dead-letters");
  await page.locator("main tbody th a").first().click();
  await page.locator("main tbody th a").first().click();
  await page.getByRole("link", { name: "Edit and redrive" }).click();
  const payload = page.getByLabel("Payload");
  const order = JSON.parse(await payload.inputValue());
  order.address.country = "DE";
  await payload.fill(JSON.stringify(order, null, 2));
  await page.getByRole("button", { name: "Redrive the corrected event" }).click();
  await page.getByRole("status").getByText("is on its way").waitFor();
  await page.getByText("There are no dead letters here").waitFor();
  await page.goto(place);
  await given("shop.order.shipped");
  await picture(page, "story-handled-light");
  await live.locator("#rows tr", { hasText: "shop.order.shipped" }).first().waitFor();

  // Who pauses sees nothing new, and misses nothing.
  await live.getByRole("button", { name: "Pause" }).click();
  await page.goto(`${url}/dashboard/events/shop.order.charged/publish`);
  await page.getByLabel("order_id").fill("o-after");
  await page.getByRole("button", { name: "Publish", exact: true }).last().click();
  await page.getByRole("status").getByText("Published as").waitFor();
  await live.getByText("Paused. ").filter({ hasText: /[1-9]/ }).waitFor();
  assert.equal(await live.locator("#rows tr", { hasText: "o-after" }).count(), 0, "paused");
  await picture(live, "live-paused-light");
  assert.deepEqual(await barriers(live), [], "a paused page");
  await live.getByRole("button", { name: "Go on" }).click();
  await live.locator("#rows tr", { hasText: "o-after" }).first().waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
}

/** The seconds of processor time that a process and those below it have used. */
function secondsOf(root) {
  const stats = fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      const text = fs.readFileSync(`/proc/${name}/stat`, "utf8");
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
      return [{ id: Number(name), parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) }];
    } catch {
      return [];
    }
  });
  const below = new Set([root]);
  for (let grown = true; grown; ) {
    const found = stats.filter(({ id, parent }) => below.has(parent) && !below.has(id));
    found.forEach(({ id }) => below.add(id));
    grown = found.length > 0;
  }
  return stats.filter(({ id }) => below.has(id)).reduce((sum, { ticks }) => sum + ticks, 0) / 100;
}

/** A page of live events on a busy bus stays small and quick. */
async function busy(browser, root) {
  const page = await browser.newPage(LOOKS.light);
  const told = orders();
  const complaints = complaintsOf(page);
  await page.goto(`${url}/dashboard/live?pattern=shop.order.placed`);
  await page.getByText("Events come by themselves.").waitFor();
  const idle = secondsOf(root);
  await page.waitForTimeout(3000);
  const before = (secondsOf(root) - idle) / 3;
  console.log("open");
  assert.equal((await told.next()).value, "steady");
  const begin = [Date.now(), secondsOf(root)];
  await page.waitForTimeout(10_000);
  const share = (secondsOf(root) - begin[1]) / ((Date.now() - begin[0]) / 1000);
  console.log(`${(share * 100).toFixed(1)} % of a core at 200 events a second, ${(before * 100).toFixed(1)} % while nothing happens`);
  assert.equal((await told.next()).value, "flood");
  await page.getByText("were left out").waitFor();
  assert.equal(await page.locator("#rows tr").count(), 200, "the list is bounded");
  // A page that is frozen would not answer.
  const asked = Date.now();
  await page.getByRole("button", { name: "Pause" }).click();
  assert.ok(Date.now() - asked < 10_000, "the page answers");
  await picture(page, "live-busy-wide");
  assert.deepEqual(complaints, []);
  // The figure is for whoever reads it; a page that draws more than it must takes all of a core.
  assert.ok(share < 0.6, `${share} of a core`);
}

async function signIn(browser) {
  const context = await browser.newContext(LOOKS.light);
  const page = await context.newPage();
  await page.goto(`${url}/dashboard/events`);
  await page.waitForURL("**/dashboard/sign-in?**");
  assert.deepEqual(await barriers(page), [], "signing in");
  await picture(page, "sign-in-light");
  await page.getByLabel("Token").fill("a-wrong-token-of-mine");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").waitFor();
  assert.deepEqual(await barriers(page), [], "a wrong token");
  await picture(page, "sign-in-refused-light");
  await page.getByLabel("Token").fill("may-do-everything-here");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/dashboard/events");
  assert.equal(await page.evaluate(() => document.cookie), "", "no script sees the cookie");
  await picture(page, "signed-in-light");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL("**/dashboard/sign-in");
  await context.close();
}

/** What the test that runs this has done: a line for each. */
async function* orders() {
  for await (const line of readline.createInterface({ input: process.stdin })) yield line;
}

async function outage(browser) {
  const [page, live] = [await browser.newPage(), await browser.newPage()];
  const told = orders();
  await live.goto(`${url}/dashboard/live`);
  await live.getByText("Events come by themselves.").waitFor();
  await page.goto(`${url}/`);
  await page.getByText("Healthy").waitFor();
  console.log("open");
  assert.equal((await told.next()).value, "killed");
  await page.getByText("Not working").waitFor({ timeout: 60_000 });
  await picture(page, "outage-light");
  assert.deepEqual(await barriers(page), [], "an outage");
  await live.getByText("The broker is away").waitFor({ timeout: 60_000 });
  await picture(live, "live-outage-light");
  assert.deepEqual(await barriers(live), [], "live events in an outage");
  console.log("seen");
  assert.equal((await told.next()).value, "back");
  await page.getByText("Not working").waitFor({ state: "detached", timeout: 60_000 });
  await picture(page, "after-outage-light");
  await live.getByText("Events come by themselves.").waitFor({ timeout: 60_000 });
  console.log("healthy");
  await live.locator("#rows tr", { hasText: "after-the-outage" }).first().waitFor({ timeout: 60_000 });
}

async function main() {
  fs.mkdirSync(folder, { recursive: true });
  const server = await chromium.launchServer({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  const browser = await chromium.connect(server.wsEndpoint());
  try {
    await { visit, glance, story, busy, "sign-in": signIn, outage }[mode](browser, server.process().pid);
  } finally {
    await browser.close();
    await server.close();
  }
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
