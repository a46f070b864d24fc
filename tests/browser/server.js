// Draws fish, trains a small demonstration model and serves it for all tests of the page.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

const binary = process.env.FISHID_BIN ?? "fishid";

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

function onnxRuntime() {
  const home = process.env.FISHID_HOME ?? join(homedir(), ".local/share/fishid");
  const root = join(home, "onnxruntime");
  const version = readdirSync(root).sort().at(-1);
  const library = readdirSync(join(root, version)).find((name) => name.startsWith("libonnxruntime.so"));
  return join(root, version, library);
}

async function waitReady(url, server) {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    if (server.exitCode !== null) throw new Error(`fishid serve ended with ${server.exitCode}`);
    const ready = await fetch(`${url}/ready`).then(
      (reply) => reply.ok,
      () => false,
    );
    if (ready) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("fishid serve is not ready after a minute");
}

export default async function setUp() {
  const folder = mkdtempSync(join(tmpdir(), "fishid-browser-"));
  const env = { ...process.env, FISHID_HOME: join(folder, "home"), ORT_DYLIB_PATH: onnxRuntime() };
  const fish = join(folder, "fish");
  const bundle = join(folder, "bundle");
  const backbone = join(import.meta.dirname, "../fixtures/small_backbone.onnx");
  const run = (...args) => execFileSync(binary, args, { env, stdio: ["ignore", "ignore", "inherit"] });
  run("data", "synth", fish, "--species", "4", "--per-class", "12", "--seed", "5");
  run("train", "--data", fish, "--backbone", backbone, "--out", bundle);
  const url = `http://127.0.0.1:${await freePort()}`;
  const server = spawn(binary, ["serve", "--bundle", bundle, "--listen", url.slice(7)], {
    env,
    stdio: "ignore",
  });
  await waitReady(url, server);
  process.env.FISHID_URL = url;
  process.env.FISHID_PHOTOS = fish;
  return async () => {
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
}
