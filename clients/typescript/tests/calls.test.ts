/** Retries, time-outs, aborts, pages, and where tokens go. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { CareersUsers, memoryStore } from "careers-users";
import { account, expired, listen, PASSWORD, refusal, serve, Wire } from "./service.js";

const service = await serve({ CAREERS_USERS_RATELIMIT_LOGIN: "1/hour" });
setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;
const QUICK = { retries: 2, maxWait: 3000 };

/** A proxy that refuses some calls before it lets them through to the product. */
async function proxy(refusals: [status: number, headers?: Record<string, string>][]) {
  const seen: { call: string; at: number }[] = [];
  const url = await listen((request, response) => {
    seen.push({ call: `${request.method} ${request.url}`, at: performance.now() });
    const refused = refusals.shift();
    if (refused) {
      response.writeHead(refused[0], refused[1]).end("<h1>Not now</h1>");
      return;
    }
    const headers = new Headers();
    for (const name of ["authorization", "content-type"]) {
      const value = request.headers[name];
      if (value) headers.set(name, String(value));
    }
    const forwarded = fetch(service.url + request.url, { method: request.method!, headers });
    void forwarded.then(async (reply) => {
      response.writeHead(reply.status, { "Content-Type": "application/json" });
      response.end(await reply.text());
    });
  });
  return { url, seen };
}

test("too many attempts: the error has the seconds, and nothing is repeated", async () => {
  const wire = new Wire();
  await service.user("ann");
  const client = new CareersUsers(service.url, { fetch: wire.fetch });
  const wrong = { username: "ann", password: "wrong password" };
  await refusal(client.login(wrong), 401, "invalid_credentials");

  const error = await refusal(client.login(wrong), 429, "rate_limited");

  assert.ok(error.retryAfter! > 3000 && error.retryAfter! <= 3600);
  assert.equal(wire.calls.length, 2);
});

for (const status of [429, 503]) {
  test(`a GET that is answered ${status} waits as long as it is told`, async () => {
    const { url, seen } = await proxy([[status, { "Retry-After": "1" }]]);
    const client = new CareersUsers(url, QUICK);

    assert.ok((await client.listUsers()).message);

    assert.equal(seen.length, 2);
    const waited = seen[1]!.at - seen[0]!.at;
    assert.ok(waited >= 990 && waited < 5000, `${waited}`);
  });
}

test("a date in Retry-After is waited for as well", async () => {
  const date = new Date(Date.now() + 2000).toUTCString();
  const { url, seen } = await proxy([[503, { "Retry-After": date }]]);

  await new CareersUsers(url, QUICK).listUsers();

  assert.equal(seen.length, 2);
});

test("a wait that is too long is the caller's", async () => {
  const { url, seen } = await proxy([[503, { "Retry-After": "60" }]]);

  const call = new CareersUsers(url, QUICK).listUsers();
  const error = await refusal(call, 503, "unexpected_reply");

  assert.equal(error.retryAfter, 60);
  assert.equal(seen.length, 1);
});

test("retries end", async () => {
  const { url, seen } = await proxy([[502], [503], [504], [503]]);

  await refusal(new CareersUsers(url, QUICK).listUsers(), 504);

  assert.equal(seen.length, 3);
});

test("a call that changes something is sent once", async () => {
  const { url, seen } = await proxy([[503, { "Retry-After": "0" }]]);
  const client = new CareersUsers(url, QUICK);

  await refusal(client.register(account("bea")), 503);

  assert.equal(seen.length, 1);
});

test("the lost reply of a change: it is done, and not done twice", async () => {
  const wire = new Wire();
  const client = await service.user("cleo", { fetch: wire.fetch });
  await service.user("dora");
  wire.losing.set("POST follow/", 1);
  wire.losing.set("GET me/stats/", 1);

  const error = await refusal(client.follow({ username: "dora" }), 0, "network");

  assert.match(String(error.cause), /the connection broke/);
  assert.equal(wire.count("POST follow/"), 1);
  assert.equal((await client.getOwnStats()).following_count, 1);
  assert.equal(wire.count("GET me/stats/"), 2);
});

test("nobody listens", async () => {
  const client = new CareersUsers("http://127.0.0.1:1", { retries: 0 });
  await refusal(client.listUsers(), 0, "network");
});

test("a try that takes too long is told apart", async () => {
  let tries = 0;
  const url = await listen((_, response) => {
    tries++;
    response.writeHead(200).write('{"half": '); // The body never ends.
  });
  const client = new CareersUsers(url, {
    timeout: 50,
    retries: 1,
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      collectGarbage();
      return response;
    },
  });

  await refusal(client.listUsers(), 0, "timeout");
  assert.equal(tries, 2);
  await refusal(client.login({ username: "a", password: "b" }), 0, "timeout");
  assert.equal(tries, 3);
  await refusal(client.listUsers({}, { timeout: 1 }), 0, "timeout");
});

test("an abort ends a call with the caller's reason", async () => {
  const reason = new Error("the page is gone");
  const hanging = await listen(() => {});
  const refusing = await proxy([[503, { "Retry-After": "3" }]]);

  for (const url of [hanging, refusing.url]) {
    const controller = new AbortController();
    const client = new CareersUsers(url, QUICK);
    const call = client.listUsers({}, { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 100);
    await assert.rejects(call, (error) => error === reason);
    await assert.rejects(
      client.getOwnProfile({ signal: controller.signal }),
      (error) => error === reason,
    );
  }
  assert.equal(refusing.seen.length, 1);
});

test("an abort leaves the refresh to the calls that share it", async () => {
  const wire = new Wire();
  const client = await service.user("eve", { fetch: wire.fetch });
  await client.store.set(expired((await client.store.get())!));
  const controller = new AbortController();
  const given: typeof fetch = async (input, init) => {
    if (String(input).endsWith("token/refresh/")) controller.abort();
    return wire.fetch(input, init);
  };
  const sharing = new CareersUsers(service.url, { fetch: given, store: client.store });

  const aborted = sharing.getOwnProfile({ signal: controller.signal });
  const other = sharing.getOwnProfile();

  await assert.rejects(aborted, { name: "AbortError" });
  assert.equal((await other).username, "eve");
  assert.equal(wire.count("POST token/refresh/"), 1);
});

test("lists go on over all pages", async () => {
  const fans = ["fan1", "fan2", "fan3", "fan4", "fan5"];
  const star = await service.user("star");
  for (const name of fans) {
    const fan = await service.user(name);
    await fan.ensureFollowing("star");
    await star.ensureFollowing(name);
    await star.mute(name);
  }
  await star.block("ann");
  const two = { batch_size: 2 };
  const newestFirst = [...fans].reverse();

  assert.deepEqual(await names(star.listFollowers("star", two)), newestFirst);
  assert.deepEqual(await names(star.listFollowing("me", two)), newestFirst);
  assert.deepEqual(await names(star.listMutes(two)), newestFirst);
  assert.deepEqual(await names(star.listBlocks(two)), ["ann"]);
  assert.equal((await all(star.listOwnFollowers(two))).length, 5);
  assert.equal((await all(star.listOwnFollowing(two))).length, 5);
  assert.deepEqual(await all(star.listOwnFollowing({ ...two, muted: "exclude" })), []);
  assert.ok((await all(star.listActivity({ batch_size: 1 }))).length >= 1);

  assert.deepEqual(await names(star.listUsers({ search: "fan", ...two })), fans);
  assert.deepEqual(await names(star.listUsers({ search: "no such user" })), []);
  const page = await star.listUsers({ search: "fan", ...two });
  assert.deepEqual([page.users.length, page.batch_info.total_users], [2, 5]);
});

test("pages are fetched when they are needed", async () => {
  const wire = new Wire();
  const client = new CareersUsers(service.url, { fetch: wire.fetch });
  for await (const user of client.listFollowers("star", { batch_size: 1 })) {
    assert.equal(user.username, "fan5");
    break;
  }
  assert.equal(wire.calls.length, 1);
});

test("an error on a later page ends the iteration", async () => {
  const client = new CareersUsers(service.url);
  const seen: string[] = [];
  const walk = async () => {
    for await (const user of client.listFollowers("star", { batch_size: 2 })) {
      seen.push(user.username);
      await client.store.set({ access: "rubbish", refresh: "rubbish" });
    }
  };

  await refusal(walk(), 401, "token_invalid");

  assert.deepEqual(seen, ["fan5", "fan4"]);
});

test("tokens go nowhere else, whatever a reply says", async () => {
  const strangers: (string | undefined)[] = [];
  const stranger = await listen((request, response) => {
    strangers.push(request.headers.authorization);
    response.end('{"next": null, "results": [], "count": 0, "previous": null}');
  });
  const asked: string[] = [];
  const url = await listen((request, response) => {
    asked.push(`${request.url}`);
    if (request.url?.includes("/me/stats/")) {
      response.writeHead(307, { Location: `${stranger}/careers/users/me/stats/` }).end();
      return;
    }
    const next = asked.length === 1 ? `${stranger}/other/?cursor=abc&batch_size=2` : null;
    response.end(JSON.stringify({ next, previous: null, count: 0, results: [] }));
  });
  const store = memoryStore({ access: "secret", refresh: "secret" });
  const client = new CareersUsers(`${url}/`, { store, retries: 0 });

  assert.deepEqual(await all(client.listOwnFollowers()), []);
  assert.deepEqual(asked, [
    "/careers/users/followers/",
    "/careers/users/followers/?cursor=abc&batch_size=2",
  ]);
  await refusal(client.getOwnStats(), 0, "network");
  assert.deepEqual(strangers, []);
});

test("what a call without a token sends", async () => {
  const seen: (string | undefined)[] = [];
  const url = await listen((request, response) => {
    seen.push(request.headers.authorization);
    response.writeHead(401).end("{}");
  });
  const store = memoryStore({ access: "secret", refresh: "secret" });
  const client = new CareersUsers(url, { store });

  await refusal(client.login({ username: "a", password: PASSWORD }), 401);
  await refusal(client.register(account("a")), 401);
  await refusal(client.verifyEmail({ token: "t" }), 401);
  await refusal(client.listUsers(), 401, "unexpected_reply");

  assert.deepEqual(seen, [undefined, undefined, undefined, "Bearer secret"]);
});

test("a reply that is no JSON is an error", async () => {
  const url = await listen((_, response) => response.end("<h1>Welcome</h1>"));
  await refusal(new CareersUsers(url).listUsers(), 200, "unexpected_reply");
});

async function all<Row>(rows: AsyncIterable<Row>): Promise<Row[]> {
  const found: Row[] = [];
  for await (const row of rows) found.push(row);
  return found;
}

async function names(rows: AsyncIterable<{ username: string }>): Promise<string[]> {
  return (await all(rows)).map((user) => user.username);
}
