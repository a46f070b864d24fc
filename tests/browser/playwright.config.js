// The page in real Chromium (Debian's), at phone and desktop widths, against the real binary.
import { defineConfig } from "@playwright/test";

const chromium = {
  browserName: "chromium",
  launchOptions: {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
  },
};

export default defineConfig({
  testDir: ".",
  workers: 1,
  retries: 0,
  forbidOnly: true,
  reporter: [["list"]],
  globalSetup: "./server.js",
  // Without motion: axe would measure contrast in the middle of a button's change of colour.
  use: { screenshot: "only-on-failure", contextOptions: { reducedMotion: "reduce" } },
  projects: [
    { name: "desktop", use: { ...chromium, viewport: { width: 1280, height: 800 }, locale: "en-GB" } },
    {
      name: "phone",
      use: {
        ...chromium,
        viewport: { width: 375, height: 740 },
        hasTouch: true,
        isMobile: true,
        locale: "ru-RU",
      },
    },
  ],
});
