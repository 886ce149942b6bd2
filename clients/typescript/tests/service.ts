/** The served product, with a SQLite database in a folder that goes with it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { CareersUsers, CareersUsersError, type ClientOptions, type Tokens } from "careers-users";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const BIN = process.env["CAREERS_USERS_TEST_BIN"] ?? join(ROOT, ".venv/bin");
const KEY = "a signing key for served tests, nothing else";
const PATIENCE_MS = 60_000;
export const PASSWORD = "password123";

export class Service {
  constructor(
    readonly url: string,
    readonly folder: string,
  ) {}

  /** Registers a user; returns a client that is signed in. */
  async user(username: string, options: ClientOptions = {}): Promise<CareersUsers> {
    const client = new CareersUsers(this.url, options);
    await client.register(account(username));
    return client;
  }

  /** Locks the database, so that all writes are 503; returns what unlocks it. */
  async lock(): Promise<() => Promise<void>> {
    const program = `
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()`;
    const file = join(this.folder, "careers_users.db");
    const child = spawn(join(BIN, "python"), ["-c", program, file]);
    await new Promise((done) => child.stdout.once("data", done));
    return async () => {
      child.stdin.end();
      await new Promise((done) => child.once("exit", done));
    };
  }
}

/** Starts the product; it is stopped after the tests of the file. */
export async function serve(settings: Record<string, string> = {}): Promise<Service> {
  const program = join(BIN, "careers-users");
  if (!existsSync(program)) {
    throw new Error(`There is no ${program}: set CAREERS_USERS_TEST_BIN.`);
  }
  const folder = mkdtempSync(join(tmpdir(), "careers-users-"));
  const env = {
    PATH: process.env["PATH"],
    PORT: "0",
    CAREERS_USERS_DATA_DIR: folder,
    CAREERS_USERS_JWT_SECRET_KEY: KEY,
    CAREERS_USERS_ARGON2_MEMORY_KIB: "7168",
    CAREERS_USERS_ARGON2_TIME_COST: "1",
    ...settings,
  };
  const child = spawn(program, ["serve"], {
    cwd: folder,
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = new Promise<void>((done) => child.once("exit", () => done()));
  after(async () => {
    child.kill();
    await ended;
    rmSync(folder, { recursive: true });
  });
  let log = "";
  const port = await new Promise<string>((found, fail) => {
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      log += text;
      const match = /Listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(log);
      if (match) found(match[1]!);
    });
    child.once("exit", () => fail(new Error(log)));
    setTimeout(() => fail(new Error(`It does not listen.\n${log}`)), PATIENCE_MS).unref();
  });
  return new Service(`http://127.0.0.1:${port}`, folder);
}

export function account(username: string) {
  return {
    username,
    email: `${username}@example.com`,
    password: PASSWORD,
    password_confirm: PASSWORD,
  };
}

/** A fetch that keeps count of the calls, and loses replies when it is told to. */
export class Wire {
  readonly calls: string[] = [];
  /** How many replies of which call get lost on their way: `POST token/refresh/`. */
  readonly losing = new Map<string, number>();

  readonly fetch: typeof fetch = async (input, init) => {
    const path = String(input).split("/careers/users/")[1];
    const call = `${init?.method} ${path}`;
    this.calls.push(call);
    const response = await fetch(input, init);
    const left = this.losing.get(call) ?? 0;
    if (!left) return response;
    this.losing.set(call, left - 1);
    await response.arrayBuffer();
    throw new TypeError("the connection broke");
  };

  count(call: string): number {
    return this.calls.filter((one) => one === call).length;
  }
}

/** Returns tokens of the same session with other claims in the parts that are named. */
export function altered(
  tokens: Tokens,
  changes: { [Part in keyof Tokens]?: Record<string, unknown> },
): Tokens {
  const result = { ...tokens };
  for (const part of ["access", "refresh"] as const) {
    const claims = changes[part];
    if (claims) result[part] = signed(tokens[part], claims);
  }
  return result;
}

/** As they are an hour after the last refresh. */
export function expired(tokens: Tokens): Tokens {
  return altered(tokens, { access: past() });
}

/** As they are when a week has passed. */
export function allExpired(tokens: Tokens): Tokens {
  return altered(tokens, { access: past(), refresh: past() });
}

function past() {
  const now = Math.floor(Date.now() / 1000);
  return { iat: now - 7200, nbf: now - 7200, exp: now - 3600 };
}

function signed(token: string, claims: Record<string, unknown>): string {
  const [header, payload] = token.split(".") as [string, string];
  const all = JSON.parse(Buffer.from(payload, "base64url").toString()) as object;
  const body = Buffer.from(JSON.stringify({ ...all, ...claims })).toString("base64url");
  const text = `${header}.${body}`;
  return `${text}.${createHmac("sha256", KEY).update(text).digest("base64url")}`;
}

/** A server of the test's own, in front of the product or elsewhere. */
export async function listen(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Returns the error of a call that must fail with this status and code. */
export async function refusal(
  call: Promise<unknown>,
  status: number,
  code?: string,
): Promise<CareersUsersError> {
  const error: unknown = await call.then(
    () => assert.fail("it was not refused"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof CareersUsersError, String(error));
  assert.equal(error.status, status);
  if (code !== undefined) assert.equal(error.code, code);
  return error;
}
