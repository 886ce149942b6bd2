/** The walk of the service's document, by every method of the client. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { CareersUsers } from "careers-users";
import { account, PASSWORD, refusal, serve } from "./service.js";

// Operations that are no client's business, and why.
const OTHERS: Record<string, string> = {
  getLiveness: "for whoever watches the service",
  getReadiness: "for whoever watches the service",
  getPublicKeys: "for services that verify tokens",
  reportEvents: "for services, with a credential of their own",
  patchMe: "the same as updateProfile",
};

const service = await serve({
  CAREERS_USERS_EMAIL_VERIFICATION: "optional",
  CAREERS_USERS_EMAIL_CHANGE: "confirm",
});

test("there is one method for each operation of the document", () => {
  const file = new URL("../../../docs/openapi.json", import.meta.url);
  const { paths } = JSON.parse(readFileSync(file, "utf8")) as {
    paths: Record<string, Record<string, { operationId: string }>>;
  };
  const operations = Object.values(paths)
    .flatMap((methods) => Object.values(methods))
    .map((operation) => operation.operationId);
  const methods = Object.getOwnPropertyNames(CareersUsers.prototype);

  const expected = operations.filter((name) => !(name in OTHERS));
  assert.ok(expected.length > 35);
  assert.deepEqual(
    methods.filter((name) => !["constructor", "store"].includes(name)).sort(),
    expected.sort(),
  );
  for (const name of Object.keys(OTHERS)) assert.ok(operations.includes(name), name);
});

test("the walk of the document", async () => {
  const client = new CareersUsers(service.url);
  const bob = await service.user("bob");

  const registered = await client.register({ ...account("alice"), first_name: "Alice" });
  assert.equal(registered.username, "alice");
  await client.logout();
  assert.equal(await client.store.get(), null);
  assert.equal(
    (await client.login({ username: "alice@example.com", password: PASSWORD })).id,
    registered.id,
  );

  assert.equal((await client.getOwnProfile()).email, "alice@example.com");
  const updated = await client.updateProfile({ bio: "Curious", last_name: "Johnson" });
  assert.equal(updated.last_name, "Johnson");

  const found = await client.listUsers({ search: "johnson", batch_size: 10 });
  assert.deepEqual(
    found.users.map((user) => user.username),
    ["alice"],
  );
  const bobs = await client.getProfile("BOB");
  const edge = await client.follow({ following: bobs.id });
  assert.equal(edge.following_username, "bob");
  const followers = await client.listFollowers("bob");
  assert.deepEqual([followers.count, followers.results[0]?.username], [1, "alice"]);
  assert.equal((await client.listFollowing("alice")).results[0]?.is_following, true);
  assert.equal((await client.listOwnFollowing()).results[0]?.following, bobs.id);
  assert.equal((await bob.listOwnFollowers()).results[0]?.follower, registered.id);
  const { results } = await client.getRelationships({ ids: [bobs.id, registered.id] });
  assert.equal(results[0]?.following, true);
  assert.equal((await client.getOwnStats()).following_count, 1);
  assert.equal((await client.getStats("bob")).followers_count, 1);
  assert.match((await client.unfollow("bob")).message, /bob/);

  await client.ensureFollowing("bob");
  await client.ensureFollowing("bob");
  await bob.removeFollower("alice");
  await client.ensureNotFollowing("bob");
});

test("blocks and mutes", async () => {
  const carol = await service.user("carol");
  await service.user("dan");

  await carol.block("dan");
  assert.equal((await carol.listBlocks()).results[0]?.username, "dan");
  await carol.unblock("dan");
  assert.match((await carol.mute("dan", { duration: 300 })).muted_until ?? "", /Z$/);
  assert.equal((await carol.mute("dan")).muted_until, null);
  assert.equal((await carol.listMutes()).count, 1);
  assert.equal((await carol.unmute("dan")).muted_until, null);
});

test("sessions, password and the end of an account", async () => {
  const erin = await service.user("erin");
  const phone = new CareersUsers(service.url);
  await phone.login({ username: "erin", password: PASSWORD });

  const sessions = await erin.listSessions();
  assert.equal(sessions.count, 2);
  const other = sessions.results.find((session) => !session.current);
  await erin.endSession(other!.id);
  await refusal(phone.getOwnProfile(), 401, "token_revoked");
  assert.equal(await phone.store.get(), null);

  await erin.confirmSession({ password: PASSWORD });
  await refusal(erin.confirmSession({ password: "wrong" }), 403, "wrong_password");
  await phone.login({ username: "erin", password: PASSWORD });
  assert.equal((await erin.logoutAll({ keep_current: true })).count, 1);

  const password = "another one 456";
  const change = { old_password: PASSWORD, password, password_confirm: password };
  await erin.changePassword(change);
  assert.equal((await erin.getSecurity()).has_password, true);
  assert.equal((await erin.exportAccount()).account.username, "erin");
  assert.equal((await erin.listActivity()).results[0]?.event, "data_exported");

  await phone.login({ username: "erin", password });
  await erin.deleteAccount({ password });
  assert.equal(await erin.store.get(), null);
  await refusal(phone.getOwnProfile(), 401, "token_revoked");
  await refusal(erin.login({ username: "erin", password }), 401, "invalid_credentials");

  const finn = await service.user("finn");
  assert.equal((await finn.logoutAll()).count, 1);
  assert.equal(await finn.store.get(), null);
});

test("links in mail", async () => {
  const gina = await service.user("gina");

  assert.ok((await gina.sendVerification()).message);
  assert.ok((await gina.resetPassword({ username: "gina" })).message);
  const token = "none";
  await refusal(gina.verifyEmail({ token }), 400, "link_invalid");
  await refusal(gina.confirmEmailChange({ token }), 400, "link_invalid");
  const passwords = { password: "new 12345678", password_confirm: "new 12345678" };
  await refusal(
    gina.confirmPasswordReset({ token, ...passwords }),
    400,
    "link_invalid",
  );
});

test("an error says what was refused, and by which request", async () => {
  const client = new CareersUsers(service.url);
  const secret = "a secret that is no password";

  const error = await refusal(
    client.register({ ...account("hal"), password: secret }),
    400,
    "validation_failed",
  );

  assert.ok(typeof error.details === "object" && "password_confirm" in error.details);
  assert.match(error.requestId ?? "", /^[\w.-]{8,64}$/);
  assert.equal(error.retryAfter, undefined);
  assert.equal(error.message, "Validation failed");
  assert.ok(!JSON.stringify([error, error.message, error.stack]).includes(secret));
});

test("a name can't turn a call into another one", async () => {
  const client = await service.user("ida");

  for (const name of ["", ".", ".."]) {
    await refusal(client.getProfile(name), 404, "not_found");
    await refusal(client.ensureFollowing(name), 404, "not_found");
  }
  for (const name of ["../me", "me/", "%2e%2e", "a?b", "a#b", "名前"]) {
    await refusal(client.getProfile(name), 404);
  }
});
