/** The package as others install it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));

test("it has less than 8 KB, compressed", () => {
  const dist = join(PACKAGE, "dist");
  const modules = readdirSync(dist).filter((name) => name.endsWith(".js"));
  assert.ok(modules.length > 3);
  const sizes = modules.map((name) => gzipSync(readFileSync(join(dist, name))).length);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  assert.ok(total < 8192, `${total} bytes`);
});

test("it can be packed, installed and imported", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "careers-users-package-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const run = (program: string, words: string[], cwd: string) =>
    execFileSync(program, words, { cwd, encoding: "utf8", stdio: "pipe" });

  // Built already; it must not change below the other tests.
  const words = ["pack", "--json", "--ignore-scripts", "--pack-destination", folder];
  const [packed] = JSON.parse(run("npm", words, PACKAGE)) as {
    filename: string;
    files: { path: string }[];
  }[];
  for (const { path } of packed!.files) {
    assert.match(path, /^(dist\/\w+(\.d\.ts|\.js)|package\.json|README\.md)$/);
  }

  writeFileSync(join(folder, "package.json"), '{"type": "module"}');
  run("npm", ["install", "--offline", "--no-audit", packed!.filename], folder);
  assert.deepEqual(readdirSync(join(folder, "node_modules")).sort(), [
    ".package-lock.json",
    "careers-users",
  ]);
  const program =
    'import { CareersUsers } from "careers-users"; console.log(typeof new CareersUsers("").login)';
  assert.equal(run("node", ["--input-type=module", "-e", program], folder), "function\n");
});
