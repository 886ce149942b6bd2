import { Connection, type CallOptions, type ClientOptions } from "./connection.js";
import { CareersUsersError } from "./error.js";
import { paged, type Paged } from "./paged.js";
import type * as schema from "./schema.js";
import type { operations } from "./schema.js";
import type { TokenStore } from "./store.js";

type Operation = keyof operations;
/** What an operation answers when it succeeds. */
type Reply<Name extends Operation> = {
  [Status in keyof operations[Name]["responses"]]: Status extends 200 | 201 | 202
    ? operations[Name]["responses"][Status] extends {
        content: { "application/json": infer Body };
      }
      ? Body
      : never
    : never;
}[keyof operations[Name]["responses"]];
type Query<Name extends Operation> = NonNullable<
  operations[Name]["parameters"]["query"]
>;
type Listed<Name extends Operation> =
  Reply<Name> extends { results: (infer Row)[] } ? Paged<Reply<Name>, Row> : never;

/**
 * A client of the careers users service. Each method is the operation of that name in
 * the service's `/openapi.json`. All reject with a CareersUsersError.
 *
 *     const client = new CareersUsers("https://users.example.com");
 *     const me = await client.login({ username: "ann", password });
 */
export class CareersUsers {
  readonly #connection: Connection;

  /**
   * `baseUrl` is where the service is, without `/careers/users/`; in a browser `""` is
   * the page's own origin.
   */
  constructor(baseUrl: string, options: ClientOptions = {}) {
    this.#connection = new Connection(baseUrl, options);
  }

  /** The store of the options, or the one in memory. */
  get store(): TokenStore {
    return this.#connection.store;
  }

  // --- Accounts and sessions

  /** Registers a user, who is signed in then. */
  async register(
    body: schema.Register,
    options?: CallOptions,
  ): Promise<schema.NewAccount> {
    return this.#signIn(
      await this.#anonymous<"register">("register/", body, options),
    );
  }

  /** Signs in, by username or e-mail address. */
  async login(body: schema.Login, options?: CallOptions): Promise<schema.Account> {
    return this.#signIn(await this.#anonymous<"login">("login/", body, options));
  }

  /**
   * Ends this session. The store is empty then, also if the call fails, which means that
   * the service may not know.
   */
  async logout(options?: CallOptions): Promise<void> {
    const tokens = await this.store.get();
    if (!tokens) return;
    const body = { refresh: tokens.refresh };
    try {
      await this.#send<"logout">("POST", "logout/", { ...options, body });
    } catch (error) {
      // The session was over already.
      if (!(error instanceof CareersUsersError && error.status === 401)) throw error;
    } finally {
      await this.store.set(null);
    }
  }

  /** Ends all sessions of the user, or with `keep_current` all others. */
  async logoutAll(
    body: schema.LogoutAll = {},
    options?: CallOptions,
  ): Promise<schema.LoggedOut> {
    const request = { ...options, body };
    const reply = await this.#send<"logoutAll">("POST", "logout/all/", request);
    if (!body.keep_current) await this.store.set(null);
    return reply;
  }

  /**
   * Gets new tokens, which are kept in the store. Calls do this by themselves: it is for
   * an access token that another service refuses.
   */
  refreshTokens(): Promise<schema.Tokens> {
    return this.#connection.refresh(null);
  }

  listSessions(options?: CallOptions): Promise<schema.Sessions> {
    return this.#send<"listSessions">("GET", "me/sessions/", options);
  }

  endSession(sessionId: string, options?: CallOptions): Promise<schema.Message> {
    const path = `me/sessions/${encodeURIComponent(sessionId)}/`;
    return this.#send<"endSession">("DELETE", path, options);
  }

  /** Confirms this session by the password, for changes that want it. */
  confirmSession(
    body: schema.Confirm,
    options?: CallOptions,
  ): Promise<schema.Confirmed> {
    const request = { ...options, body };
    return this.#send<"confirmSession">("POST", "me/confirm/", request);
  }

  /** Changes the password and ends all sessions; this client gets a new one. */
  async changePassword(
    body: schema.ChangePassword,
    options?: CallOptions,
  ): Promise<void> {
    const request = { ...options, body };
    await this.store.set(
      await this.#send<"changePassword">("POST", "me/password/", request),
    );
  }

  /** Asks for a mail with a link for a new password. */
  resetPassword(body: schema.Reset, options?: CallOptions): Promise<schema.Message> {
    return this.#anonymous<"resetPassword">("password/reset/", body, options);
  }

  /** Sets a new password by the token of such a link. */
  confirmPasswordReset(
    body: schema.ResetConfirm,
    options?: CallOptions,
  ): Promise<schema.Message> {
    const path = "password/reset/confirm/";
    return this.#anonymous<"confirmPasswordReset">(path, body, options);
  }

  /** Asks for a mail with a link that verifies the e-mail address. */
  sendVerification(options?: CallOptions): Promise<schema.Message> {
    const request = { ...options, body: {} };
    return this.#send<"sendVerification">("POST", "email/verify/send/", request);
  }

  verifyEmail(body: schema.LinkToken, options?: CallOptions): Promise<schema.Message> {
    return this.#anonymous<"verifyEmail">("email/verify/", body, options);
  }

  confirmEmailChange(
    body: schema.LinkToken,
    options?: CallOptions,
  ): Promise<schema.ChangeConfirmed> {
    const path = "email/change/confirm/";
    return this.#anonymous<"confirmEmailChange">(path, body, options);
  }

  /** Deletes the account for good. */
  async deleteAccount(
    body: schema.Close,
    options?: CallOptions,
  ): Promise<schema.Message> {
    const request = { ...options, body };
    const reply = await this.#send<"deleteAccount">("DELETE", "me/", request);
    await this.store.set(null);
    return reply;
  }

  exportAccount(options?: CallOptions): Promise<schema.AccountExport> {
    return this.#send<"exportAccount">("GET", "me/export/", options);
  }

  getSecurity(options?: CallOptions): Promise<schema.Security> {
    return this.#send<"getSecurity">("GET", "me/security/", options);
  }

  /** Lists security events, newest first. */
  listActivity(
    query?: Query<"listActivity">,
    options?: CallOptions,
  ): Listed<"listActivity"> {
    return this.#list<"listActivity">("me/activity/", query, options);
  }

  // --- Profiles

  /** Lists and searches users. Iterating goes on to the last batch. */
  listUsers(
    query: Query<"listUsers"> = {},
    options?: CallOptions,
  ): Paged<schema.Directory, schema.Card> {
    const first = this.#send<"listUsers">("GET", "", { ...options, query });
    return paged(
      first,
      (page) => page.users,
      ({ batch_info: { current_batch, total_batches } }) =>
        current_batch + 1 < total_batches
          ? this.listUsers({ ...query, batch_number: current_batch + 1 }, options)
          : null,
    );
  }

  getProfile(username: string, options?: CallOptions): Promise<schema.Profile> {
    return this.#send<"getProfile">("GET", `${encodeURIComponent(username)}/`, options);
  }

  getStats(username: string, options?: CallOptions): Promise<schema.Stats> {
    return this.#send<"getStats">("GET", `${encodeURIComponent(username)}/stats/`, options);
  }

  getOwnProfile(options?: CallOptions): Promise<schema.OwnProfile> {
    return this.#send<"getOwnProfile">("GET", "me/", options);
  }

  getOwnStats(options?: CallOptions): Promise<schema.Stats> {
    return this.#send<"getOwnStats">("GET", "me/stats/", options);
  }

  updateProfile(body: schema.Update, options?: CallOptions): Promise<schema.Updated> {
    const request = { ...options, body };
    return this.#send<"updateProfile">("PATCH", "me/update/", request);
  }

  // --- Follows

  /** Follows a user; one who is followed already is a 409 `already_following`. */
  follow(body: schema.Follow, options?: CallOptions): Promise<schema.FollowRow> {
    return this.#send<"follow">("POST", "follow/", { ...options, body });
  }

  /** Ends a follow; of a user who is not followed it is a 404 `not_following`. */
  unfollow(username: string, options?: CallOptions): Promise<schema.Message> {
    const path = `${encodeURIComponent(username)}/unfollow/`;
    return this.#send<"unfollow">("DELETE", path, options);
  }

  /** Follows a user, whether or not that is so already. */
  ensureFollowing(username: string, options?: CallOptions): Promise<schema.FollowRow> {
    const path = `${encodeURIComponent(username)}/follow/`;
    return this.#send<"ensureFollowing">("PUT", path, options);
  }

  /** Ends a follow, if there is one. */
  ensureNotFollowing(username: string, options?: CallOptions): Promise<schema.Message> {
    const path = `${encodeURIComponent(username)}/follow/`;
    return this.#send<"ensureNotFollowing">("DELETE", path, options);
  }

  removeFollower(username: string, options?: CallOptions): Promise<schema.Message> {
    const path = `me/followers/${encodeURIComponent(username)}/`;
    return this.#send<"removeFollower">("DELETE", path, options);
  }

  /** Tells how the user stands to at most 100 others. */
  getRelationships(
    query: Query<"getRelationships">,
    options?: CallOptions,
  ): Promise<schema.Relationships> {
    const request = { ...options, query };
    return this.#send<"getRelationships">("GET", "relationships/", request);
  }

  listFollowers(
    username: string,
    query?: Query<"listFollowers">,
    options?: CallOptions,
  ): Listed<"listFollowers"> {
    const path = `${encodeURIComponent(username)}/followers/`;
    return this.#list<"listFollowers">(path, query, options);
  }

  listFollowing(
    username: string,
    query?: Query<"listFollowing">,
    options?: CallOptions,
  ): Listed<"listFollowing"> {
    const path = `${encodeURIComponent(username)}/following/`;
    return this.#list<"listFollowing">(path, query, options);
  }

  listOwnFollowers(
    query?: Query<"listOwnFollowers">,
    options?: CallOptions,
  ): Listed<"listOwnFollowers"> {
    return this.#list<"listOwnFollowers">("followers/", query, options);
  }

  listOwnFollowing(
    query?: Query<"listOwnFollowing">,
    options?: CallOptions,
  ): Listed<"listOwnFollowing"> {
    return this.#list<"listOwnFollowing">("following/", query, options);
  }

  // --- Blocks and mutes

  block(username: string, options?: CallOptions): Promise<schema.Message> {
    return this.#send<"block">("PUT", `${encodeURIComponent(username)}/block/`, options);
  }

  unblock(username: string, options?: CallOptions): Promise<schema.Message> {
    return this.#send<"unblock">("DELETE", `${encodeURIComponent(username)}/block/`, options);
  }

  /** Mutes a user, for `duration` seconds or for good. */
  mute(
    username: string,
    body: schema.Mute = {},
    options?: CallOptions,
  ): Promise<schema.Muted> {
    const path = `${encodeURIComponent(username)}/mute/`;
    return this.#send<"mute">("PUT", path, { ...options, body });
  }

  unmute(username: string, options?: CallOptions): Promise<schema.Muted> {
    return this.#send<"unmute">("DELETE", `${encodeURIComponent(username)}/mute/`, options);
  }

  listBlocks(
    query?: Query<"listBlocks">,
    options?: CallOptions,
  ): Listed<"listBlocks"> {
    return this.#list<"listBlocks">("me/blocks/", query, options);
  }

  listMutes(query?: Query<"listMutes">, options?: CallOptions): Listed<"listMutes"> {
    return this.#list<"listMutes">("me/mutes/", query, options);
  }

  // ---

  #send<Name extends Operation>(
    method: string,
    path: string,
    request?: CallOptions & { query?: Query<Name>; body?: object },
  ): Promise<Reply<Name>> {
    const reply = this.#connection.call({ ...request, method, path });
    return reply as Promise<Reply<Name>>;
  }

  /** Sends a call that takes no token: what its body has says whose it is. */
  #anonymous<Name extends Operation>(
    path: string,
    body: object,
    options?: CallOptions,
  ): Promise<Reply<Name>> {
    const request = { ...options, body, isAnonymous: true };
    return this.#send<Name>("POST", path, request);
  }

  async #signIn<User>(reply: schema.Tokens & { user: User }): Promise<User> {
    await this.store.set({ access: reply.access, refresh: reply.refresh });
    return reply.user;
  }

  #list<Name extends Operation>(
    path: string,
    query: object | undefined,
    options: CallOptions | undefined,
  ): Listed<Name> {
    type Page = { next: string | null; results: unknown[] };
    const request = { ...options, method: "GET", path, query };
    const pages = paged(
      this.#connection.call(request) as Promise<Page>,
      (page) => page.results,
      // Of `next` only the query counts: wherever it leads, the token stays here.
      ({ next }) =>
        next === null
          ? null
          : this.#list(
              path,
              Object.fromEntries(new URLSearchParams(next.split("?")[1])),
              options,
            ) as unknown as Promise<Page>,
    );
    return pages as unknown as Listed<Name>;
  }
}
