import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { expect, test } from "@playwright/test";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const photographs = () => {
  const root = process.env.FISHID_PHOTOS;
  const classes = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return classes.flatMap(({ name }) => readdirSync(join(root, name)).map((file) => join(root, name, file)));
};

test.beforeEach(async ({ page }) => {
  const errors = [];
  const elsewhere = [];
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("request", (request) => {
    const outside = !request.url().startsWith(process.env.FISHID_URL) && !/^(data|blob):/.test(request.url());
    if (outside) elsewhere.push(request.url());
  });
  page.problems = { errors, elsewhere };
  await page.goto(process.env.FISHID_URL);
});

test.afterEach(({ page }) => {
  expect(page.problems.elsewhere, "requests to other hosts").toEqual([]);
});

const inRussian = (page) => page.getByRole("button", { name: "Русский" }).click();
const inEnglish = (page) => page.getByRole("button", { name: "English" }).click();

test("a chosen photograph gets three species with bars, in both languages", async ({ page }, info) => {
  await page.locator("#choose").setInputFiles(photographs()[0]);
  await expect(page.locator("#preview")).toBeVisible();
  await expect(page.locator("#bars li")).toHaveCount(3);
  await inEnglish(page);
  await expect(page.locator("#bars li").first()).toContainText(/[A-Z][a-z]+/);
  await expect(page.locator("#footnote")).toContainText("Model");
  await page.screenshot({ path: info.outputPath("english.png"), fullPage: true });
  await inRussian(page);
  await expect(page.locator("#bars li")).toHaveCount(3);
  await expect(page.locator("#bars li").first()).toContainText(/[А-Яа-я]+/);
  await expect(page.locator("#footnote")).toContainText("Модель");
  await page.screenshot({ path: info.outputPath("russian.png"), fullPage: true });
  const values = await page
    .locator("#bars meter")
    .evaluateAll((meters) => meters.map((meter) => meter.value));
  expect(values).toEqual([...values].sort((a, b) => b - a));
  expect(page.problems.errors).toEqual([]);
});

test("the language is remembered", async ({ page }) => {
  await inEnglish(page);
  await page.reload();
  await expect(page.locator("html")).toHaveAttribute("lang", "en");
  await inRussian(page);
  await page.reload();
  await expect(page.locator("html")).toHaveAttribute("lang", "ru");
});

test("a stored language that the page does not speak is ignored", async ({ page }) => {
  await page.evaluate(() => localStorage.setItem("language", "fr"));
  await page.reload();
  await expect(page.locator("#model")).not.toBeEmpty();
  await expect(page.locator("html")).toHaveAttribute("lang", /^(ru|en)$/);
  expect(page.problems.errors).toEqual([]);
});

test("an answer on its way when the language changes comes in the new one", async ({ page }) => {
  await inEnglish(page);
  let release;
  const held = new Promise((resolve) => {
    release = resolve;
  });
  await page.route("**/predict?lang=en", async (route) => {
    await held;
    await route.continue();
  });
  await page.locator("#choose").setInputFiles(photographs()[7]);
  await expect(page.locator("#waiting")).toBeVisible();
  await inRussian(page);
  const likeliest = page.locator("#bars li").first();
  await expect(likeliest).toContainText(/[А-Яа-я]+/);
  release();
  await page.unrouteAll({ behavior: "wait" });
  await expect(likeliest).toContainText(/[А-Яа-я]+/);
});

test("a demonstration model says so", async ({ page }) => {
  await expect(page.locator("#demonstration")).toBeVisible();
  await inEnglish(page);
  await expect(page.locator("#demonstration")).toContainText("not on photographs");
});

test("a dropped photograph is answered", async ({ page }) => {
  const bytes = readFileSync(photographs()[1]).toString("base64");
  await page.evaluate(async (base64) => {
    const blob = await (await fetch(`data:image/jpeg;base64,${base64}`).catch(() => null))?.blob();
    const raw =
      blob ?? new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], { type: "image/jpeg" });
    const transfer = new DataTransfer();
    transfer.items.add(new File([raw], "fish.jpg", { type: "image/jpeg" }));
    document
      .getElementById("drop-zone")
      .dispatchEvent(new DragEvent("drop", { bubbles: true, dataTransfer: transfer }));
  }, bytes);
  await expect(page.locator("#bars li")).toHaveCount(3);
});

test("a pasted photograph is answered", async ({ page }) => {
  const bytes = readFileSync(photographs()[2]).toString("base64");
  await page.evaluate((base64) => {
    const raw = new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], { type: "image/jpeg" });
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File([raw], "fish.jpg", { type: "image/jpeg" }));
    document.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
  }, bytes);
  await expect(page.locator("#bars li")).toHaveCount(3);
});

test("a file that is no photograph gets an error in words, and the next photograph works", async ({
  page,
}) => {
  await inEnglish(page);
  await page.locator("#choose").setInputFiles({
    name: "letter.jpg",
    mimeType: "image/jpeg",
    buffer: Buffer.from("Dear sir"),
  });
  await expect(page.getByRole("alert")).toContainText("not a JPEG, PNG or WebP photograph");
  await page.locator("#choose").setInputFiles(photographs()[3]);
  await expect(page.locator("#bars li")).toHaveCount(3);
  await expect(page.getByRole("alert")).toBeHidden();
});

test("a file over 10 MB is refused before it is sent", async ({ page }) => {
  await inEnglish(page);
  await page.locator("#choose").setInputFiles({
    name: "large.jpg",
    mimeType: "image/jpeg",
    buffer: Buffer.alloc(10 * 1024 * 1024 + 1),
  });
  await expect(page.getByRole("alert")).toContainText("larger than 10 MB");
});

test("a server that does not answer gets an error in words", async ({ page }) => {
  await inEnglish(page);
  await page.route("**/predict*", (route) => route.abort());
  await page.locator("#choose").setInputFiles(photographs()[4]);
  await expect(page.getByRole("alert")).toContainText("does not answer");
});

test("an overloaded server is told in words", async ({ page }) => {
  await inEnglish(page);
  await page.route("**/predict*", (route) => route.fulfill({ status: 503, body: "{}" }));
  await page.locator("#choose").setInputFiles(photographs()[5]);
  await expect(page.getByRole("alert")).toContainText("Try again in a few seconds");
});

for (const scheme of ["light", "dark"]) {
  test(`the page is accessible when ${scheme}, before and after an answer`, async ({ page }, info) => {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    const violations = async () => {
      const found = await page.evaluate(`${axe}; axe.run()`);
      return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
    };
    expect(await violations()).toEqual([]);
    await page.locator("#choose").setInputFiles(photographs()[6]);
    await expect(page.locator("#bars li")).toHaveCount(3);
    await page.screenshot({ path: info.outputPath(`${scheme}.png`), fullPage: true });
    expect(await violations()).toEqual([]);
  });
}

test("the page does not scroll sideways", async ({ page }) => {
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  expect(overflow).toBeLessThanOrEqual(0);
});
