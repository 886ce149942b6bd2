/** The package as others install it. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));

test("what the documents show compiles", () => {
  const folder = join(PACKAGE, "build/documents");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const path of ["README.md", "../../docs/front-end.md"]) {
    const text = readFileSync(join(PACKAGE, path), "utf8");
    const blocks = [...text.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code!);
    assert.ok(blocks.length > 0, path);
    blocks.forEach((code, number) => {
      const known = [
        "declare const password: string, show: (text: string) => void;",
        code.includes("const client")
          ? ""
          : 'declare const client: import("careers-users").CareersUsers;',
      ];
      const name = `${path.replaceAll(/\W/g, "-")}-${number}.ts`;
      writeFileSync(join(folder, name), `${known.join("\n")}\n${code}\nexport {};\n`);
    });
  }
  const options = ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2022", "--lib", "es2022,dom"];
  const files = readdirSync(folder).map((name) => join(folder, name));
  const tsc = join(PACKAGE, "node_modules/typescript/bin/tsc");
  const done = spawnSync("node", [tsc, ...options, ...files], {
    encoding: "utf8",
  });
  assert.equal(done.stdout, "");
  assert.equal(done.status, 0);
});

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
