/** Expired, revoked and lost tokens. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CareersUsers,
  memoryStore,
  storageStore,
  type ClientOptions,
  type Tokens,
  type TokenStore,
} from "careers-users";
import {
  allExpired,
  altered,
  expired,
  PASSWORD,
  refusal,
  serve,
  Wire,
} from "./service.js";

const REFRESH = "POST token/refresh/";
// Starting takes seconds, so there are few services.
const service = await serve({ CAREERS_USERS_DB_LOCK_TIMEOUT: "1" });

/** A user who is signed in, a count of the calls and of the times of being signed out. */
async function signedIn(username: string, options: ClientOptions = {}, on = service) {
  const wire = new Wire();
  const seen = { signedOut: 0 };
  const client = await on.user(username, {
    fetch: wire.fetch,
    onSignedOut: () => seen.signedOut++,
    ...options,
  });
  wire.calls.length = 0;
  return { client, wire, seen, tokens: (await client.store.get())! };
}

test("20 calls at once whose token has expired make one refresh", async () => {
  const { client, wire, tokens } = await signedIn("ann");
  await client.store.set(expired(tokens));

  const calls = Array.from({ length: 20 }, (_, number) =>
    number % 2 ? client.getOwnProfile() : client.updateProfile({ bio: `${number}` }),
  );
  await Promise.all(calls);

  assert.equal(wire.count(REFRESH), 1);
  assert.equal(wire.calls.length, 41);
  const now = await client.store.get();
  assert.notEqual(now?.access, tokens.access);
  assert.notEqual(now?.refresh, tokens.refresh, "it rotates");
});

test("a refresh token that rotated is good again and again", async () => {
  const { client, wire, tokens } = await signedIn("bea");
  await client.store.set(expired(tokens));
  for (let round = 1; round <= 3; round++) {
    await client.getOwnProfile();
    assert.equal(wire.count(REFRESH), round);
    await client.store.set(expired((await client.store.get())!));
  }
});

test("the reply of a refresh that gets lost does no harm", async () => {
  const { client, wire, seen, tokens } = await signedIn("cleo");
  await client.store.set(expired(tokens));
  wire.losing.set(REFRESH, 1);

  await client.getOwnProfile(); // It is tried again, which the service allows.

  assert.equal(wire.count(REFRESH), 2);
  assert.equal(seen.signedOut, 0);
});

test("without a network no user is signed out", async () => {
  const { client, wire, seen, tokens } = await signedIn("dora", { retries: 0 });
  await client.store.set(expired(tokens));
  wire.losing.set(REFRESH, 1);

  await refusal(client.getOwnProfile(), 0, "network");

  assert.equal(seen.signedOut, 0);
  assert.deepEqual(await client.store.get(), expired(tokens));
  // The lost one rotated; the old token gets its successors all the same.
  assert.equal((await client.getOwnProfile()).username, "dora");
});

test("a service that can't write signs no user out", async () => {
  const { client, seen, tokens } = await signedIn("eve", { retries: 0 });
  await client.store.set(expired(tokens));
  const unlock = await service.lock();

  const error = await refusal(client.getOwnProfile(), 503, "service_unavailable");

  assert.equal(error.retryAfter, 5);
  assert.equal(seen.signedOut, 0);
  await unlock();
  assert.equal((await client.getOwnProfile()).username, "eve");
});

test("when the refresh token has expired too, the user is signed out", async () => {
  const { client, wire, seen, tokens } = await signedIn("fay");
  await client.store.set(allExpired(tokens));

  const errors = await Promise.all(
    [1, 2, 3].map(() => refusal(client.getOwnProfile(), 401)),
  );

  assert.equal(errors[0]?.code, "token_invalid");
  assert.equal(wire.count(REFRESH), 1);
  assert.equal(seen.signedOut, 1);
  assert.equal(await client.store.get(), null);
  // Signed out: what anybody may read works, the rest needs a login.
  assert.equal((await client.getProfile("fay")).username, "fay");
  await refusal(client.getOwnProfile(), 401, "not_authenticated");
  await refusal(client.refreshTokens(), 401, "not_authenticated");
  assert.equal(seen.signedOut, 1);
});

test("a session that was ended elsewhere is not refreshed", async () => {
  const { client, wire, seen } = await signedIn("gwen");
  const phone = new CareersUsers(service.url);
  await phone.login({ username: "gwen", password: PASSWORD });
  await phone.logoutAll({ keep_current: true });

  const calls = [client.getOwnProfile(), client.getOwnStats()];
  await Promise.all(calls.map((call) => refusal(call, 401, "token_revoked")));

  assert.equal(wire.count(REFRESH), 0);
  assert.equal(seen.signedOut, 1);
  assert.equal(await client.store.get(), null);
});

test("tokens that are none are refused once, then forgotten", async () => {
  for (const rubbish of ["", "x", "a\nb", "é".repeat(3), "y".repeat(5000)]) {
    const store = memoryStore({ access: `${rubbish}secret`, refresh: rubbish });
    const client = new CareersUsers(service.url, { store });

    const error = await refusal(client.getOwnProfile(), error401or400(rubbish));

    assert.equal(await store.get(), null);
    assert.ok(!`${error.stack}${String(error.cause)}`.includes("secret"));
  }
});

/** The service refuses as input what can be no token at all. */
function error401or400(refresh: string): number {
  return refresh === "" || refresh.length > 4096 ? 400 : 401;
}

test("logging out with an expired token ends the session", async () => {
  const { client, seen, tokens } = await signedIn("hope");
  await client.store.set(expired(tokens));

  await client.logout();

  assert.equal(await client.store.get(), null);
  assert.equal(seen.signedOut, 0);
  const thief = new CareersUsers(service.url, { store: memoryStore(tokens) });
  await refusal(thief.getOwnProfile(), 401, "token_revoked");
});

test("logging out of a session that has ended is no error", async () => {
  const { client, tokens } = await signedIn("iris");
  const other = new CareersUsers(service.url, { store: memoryStore(tokens) });
  await other.logout();

  await client.logout();

  assert.equal(await client.store.get(), null);
  await client.logout();
});

test("without a network, logging out says so and forgets the tokens", async () => {
  const { client, wire } = await signedIn("jane");
  wire.losing.set("POST logout/", 1);

  await refusal(client.logout(), 0, "network");

  assert.equal(await client.store.get(), null);
});

test("a login during a refresh counts", async () => {
  const store = memoryStore();
  const client = await service.user("kate", { store });
  const old = (await store.get())!;
  await service.user("lena");
  await store.set(expired(old));
  const racing = new CareersUsers(service.url, {
    store,
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      if (String(input).endsWith("token/refresh/")) {
        await client.login({ username: "lena", password: PASSWORD });
      }
      return response;
    },
  });

  assert.equal((await racing.getOwnProfile()).username, "lena");

  assert.equal((await client.getOwnProfile()).username, "lena");
});

test("signing out during a refresh counts", async () => {
  const { tokens } = await signedIn("mia");
  const store = memoryStore(expired(tokens));
  const racing = new CareersUsers(service.url, {
    store,
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      if (String(input).endsWith("token/refresh/")) await store.set(null);
      return response;
    },
  });

  await refusal(racing.getOwnProfile(), 401, "not_authenticated");

  assert.equal(await store.get(), null);
});

/** `localStorage`, as all tabs see it. */
function sharedStorage(): TokenStore {
  const items = new Map<string, string>();
  return storageStore({
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  });
}

/** The little of Web Locks that a client needs, as Node 20 has none. */
function locks() {
  let last: Promise<unknown> = Promise.resolve();
  return {
    request: <T>(_name: string, work: () => Promise<T>): Promise<T> => {
      const turn = last.then(work);
      last = turn.catch(() => {});
      return turn;
    },
  };
}

async function inTwoTabs(username: string): Promise<number> {
  const store = sharedStorage();
  const first = await signedIn(username, { store });
  const wire = new Wire();
  const second = new CareersUsers(service.url, { store, fetch: wire.fetch });
  await store.set(expired(first.tokens));
  const tabs = [first.client, second];

  await Promise.all([...tabs, ...tabs].map((tab) => tab.getOwnProfile()));
  await Promise.all(tabs.map((tab) => tab.getOwnProfile()));

  assert.equal(first.seen.signedOut, 0);
  return first.wire.count(REFRESH) + wire.count(REFRESH);
}

test("two tabs with Web Locks make one refresh", async () => {
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  const navigator = { locks: locks() };
  Object.defineProperty(globalThis, "navigator", {
    value: navigator,
    configurable: true,
  });
  try {
    assert.equal(await inTwoTabs("nora"), 1);
  } finally {
    if (before) Object.defineProperty(globalThis, "navigator", before);
    else Reflect.deleteProperty(globalThis, "navigator");
  }
});

test("two tabs without Web Locks stay signed in", async () => {
  assert.ok((await inTwoTabs("olga")) <= 2);
});

test("a store may be asynchronous", async () => {
  let kept: Tokens | null = null;
  const store: TokenStore = {
    get: async () => kept,
    set: async (tokens) => {
      kept = tokens;
    },
  };
  const { client, wire, tokens } = await signedIn("pia", { store });
  await store.set(expired(tokens));

  await Promise.all([client.getOwnProfile(), client.getOwnProfile()]);

  assert.equal(wire.count(REFRESH), 1);
});

test("a storage that holds something else is an empty store", () => {
  const store = storageStore({ getItem: () => "eyJ.a", setItem() {}, removeItem() {} });
  assert.equal(store.get(), null);
});

test("a service that does not rotate is asked to once", async () => {
  const own = await serve({ CAREERS_USERS_REFRESH_ROTATION: "off" });
  const { client, wire, tokens } = await signedIn("rita", {}, own);

  for (const _ of [1, 2]) {
    await client.store.set(expired((await client.store.get())!));
    await client.getOwnProfile();
  }

  assert.equal((await client.store.get())?.refresh, tokens.refresh);
  assert.equal(wire.count(REFRESH), 3);
});

test("a token that another service refuses can be renewed at once", async () => {
  const { client, wire, tokens } = await signedIn("sue");

  const [one, two] = await Promise.all([client.refreshTokens(), client.refreshTokens()]);

  assert.equal(one.access, two.access);
  assert.notEqual(one.access, tokens.access);
  assert.equal(wire.count(REFRESH), 1);
});

test("a stolen token that was used ends the session of both", async () => {
  const own = await serve({
    CAREERS_USERS_REFRESH_REUSE_WINDOW: "0",
    CAREERS_USERS_REFRESH_ROTATION: "required",
  });
  const { client, seen, tokens } = await signedIn("tess", {}, own);
  await client.refreshTokens();
  await client.getOwnProfile();
  const thief = new CareersUsers(own.url, { store: memoryStore(tokens) });

  await refusal(thief.refreshTokens(), 401, "token_invalid");

  await refusal(client.getOwnProfile(), 401, "token_revoked");
  assert.equal(seen.signedOut, 1);
});

test("a token of another audience is refreshed as an expired one is", async () => {
  const { client, wire, tokens } = await signedIn("uma");
  await client.store.set(altered(tokens, { access: { aud: "elsewhere" } }));

  assert.equal((await client.getOwnProfile()).username, "uma");

  assert.equal(wire.count(REFRESH), 1);
});
