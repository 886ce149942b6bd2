import { CareersUsersError } from "./error.js";
import type { ErrorReply, Renewed, Tokens } from "./schema.js";
import { memoryStore, type TokenStore } from "./store.js";

export interface ClientOptions {
  /** Where tokens are kept; in memory, if left out. */
  store?: TokenStore;
  /** Called when the service has ended the session: the store is empty, sign in again. */
  onSignedOut?: () => void;
  /** Milliseconds for one try, its reply's body included; 15,000 if left out. */
  timeout?: number;
  /** How often a safe call (GET) or a refresh is tried again; 2 if left out. */
  retries?: number;
  /** The longest wait before a retry, in milliseconds; 10,000 if left out. */
  maxWait?: number;
  /** Instead of the global `fetch`. */
  fetch?: typeof fetch;
}

export interface CallOptions {
  /** Ends the call, and its waiting, with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Milliseconds for one try of this call. */
  timeout?: number | undefined;
}

export interface Request extends CallOptions {
  method: string;
  /** Below the base path. */
  path: string;
  query?: object | undefined;
  body?: object | undefined;
  /** Whether no token is sent. */
  isAnonymous?: boolean;
}

const BASE_PATH = "/careers/users/";
const RETRIED_STATUSES = [429, 502, 503, 504];
const FIRST_WAIT_MS = 250;

/** Sends calls: with the token of the store, retries, and one refresh for many 401s. */
export class Connection {
  readonly store: TokenStore;
  readonly #url: string;
  readonly #options: ClientOptions;
  #refreshing: Promise<Tokens> | null = null;
  /** Whether the service rotates refresh tokens; until it refuses, it is asked to. */
  #rotates = true;

  constructor(baseUrl: string, options: ClientOptions) {
    this.#url = baseUrl.replace(/\/+$/, "") + BASE_PATH;
    this.#options = options;
    this.store = options.store ?? memoryStore();
  }

  /** Sends a call; again, with new tokens, if the service says that its token is too old. */
  async call(request: Request): Promise<unknown> {
    // URLs drop such segments, and servers decode slashes: it would be another call.
    if (/(^|\/)\.{0,2}\/|%2F/.test(request.path)) {
      throw new CareersUsersError(404, "not_found", "Nothing has this name");
    }
    const tokens = request.isAnonymous ? null : await this.store.get();
    try {
      return await this.#retry(request, tokens);
    } catch (error) {
      if (!tokens || !isRefused(error)) throw error;
      // A 401 says that nothing was done, so that any call may be sent again.
      const renewed = until(this.#afterRefusal(tokens, error), request.signal);
      return this.#retry(request, await renewed);
    }
  }

  /** Gets new tokens. Calls at the same time share one refresh. */
  refresh(stale: Tokens | null): Promise<Tokens> {
    return (this.#refreshing ??= exclusively(this.#url, () =>
      this.#renew(stale),
    ).finally(() => {
      this.#refreshing = null;
    }));
  }

  async #afterRefusal(tokens: Tokens, error: CareersUsersError): Promise<Tokens> {
    // The session is over: a refresh would be refused too.
    return error.code === "token_revoked"
      ? this.#signOut(tokens, error)
      : this.refresh(tokens);
  }

  async #renew(stale: Tokens | null): Promise<Tokens> {
    const tokens = await this.store.get();
    if (!tokens) {
      throw new CareersUsersError(401, "not_authenticated", "Signed out");
    }
    // Another tab, or a new login, was faster.
    if (stale && tokens.access !== stale.access) return tokens;
    const renewed = { ...tokens, ...(await this.#sendRefresh(tokens)) };
    // Signed out or in meanwhile: that counts.
    if ((await this.store.get())?.refresh !== tokens.refresh) return this.#renew(tokens);
    // Kept before they are used: until then the service takes the old ones too.
    await this.store.set(renewed);
    return renewed;
  }

  async #sendRefresh(tokens: Tokens): Promise<Renewed | Tokens> {
    const { refresh } = tokens;
    const body = this.#rotates ? { refresh, rotate: true } : { refresh };
    try {
      const request = { method: "POST", path: "token/refresh/", body };
      return (await this.#retry(request, null, true)) as Renewed;
    } catch (error) {
      if (!(error instanceof CareersUsersError)) throw error;
      if (this.#rotates && hasDetail(error, "rotate")) {
        this.#rotates = false;
        return this.#sendRefresh(tokens);
      }
      // Without a reply, or with a 503, the session may be good: the user stays.
      if (error.status !== 401 && error.code !== "validation_failed") throw error;
      return this.#signOut(tokens, error);
    }
  }

  /** Forgets refused tokens and throws; returns newer ones if the store has them by now. */
  async #signOut(refused: Tokens, error: CareersUsersError): Promise<Tokens> {
    const now = await this.store.get();
    if (now && now.access !== refused.access) return now;
    if (now) {
      await this.store.set(null);
      this.#options.onSignedOut?.();
    }
    throw error;
  }

  /** Sends a request, again if that is safe and may help. */
  async #retry(
    request: Request,
    tokens: Tokens | null,
    isSafe = request.method === "GET",
  ): Promise<unknown> {
    const { retries = 2, maxWait = 10_000 } = this.#options;
    for (let left = isSafe ? retries : 0, pause = FIRST_WAIT_MS; ; left--, pause *= 2) {
      try {
        return await this.#send(request, tokens);
      } catch (error) {
        if (!left || !isPassing(error)) throw error;
        const wait = error.retryAfter === undefined ? pause : error.retryAfter * 1000;
        if (wait > maxWait) throw error;
        // Up to half as long again, so that many clients do not come back at once.
        await until(sleep(wait * (1 + Math.random() / 2)), request.signal);
      }
    }
  }

  async #send(request: Request, tokens: Tokens | null): Promise<unknown> {
    const { method, path, query, body, signal } = request;
    const headers: Record<string, string> = { Accept: "application/json" };
    // Without what no header can hold: the platform's error would quote the token.
    if (tokens) {
      headers["Authorization"] = `Bearer ${tokens.access.replace(/[^!-~]/g, "")}`;
    }
    if (body) headers["Content-Type"] = "application/json";
    const limit = request.timeout ?? this.#options.timeout ?? 15_000;
    const timeout = AbortSignal.timeout(limit);
    const either = signal ? AbortSignal.any([signal, timeout]) : timeout;
    const exchange = async () => {
      const response = await (this.#options.fetch ?? fetch)(
        this.#url + path + search(query ?? {}),
        {
          method,
          headers,
          body: body ? JSON.stringify(body) : null,
          signal: either,
          // The service never redirects; tokens and passwords must not follow one.
          redirect: "error",
          credentials: "omit",
        },
      );
      return { response, text: await response.text() };
    };
    let response: Response;
    let text: string;
    try {
      // Waited for here too: Node.js 20 loses the signal while a body is read, when its
      // garbage collector has run.
      ({ response, text } = await until(exchange(), either));
    } catch (cause) {
      signal?.throwIfAborted();
      throw timeout.aborted
        ? new CareersUsersError(0, "timeout", `No reply in ${limit} ms`, { cause })
        : new CareersUsersError(0, "network", "No reply", { cause });
    }
    const json = parsed(text);
    if (response.ok && json !== undefined) return json;
    throw failure(response, json);
  }
}

function failure(response: Response, json: unknown): CareersUsersError {
  const reply = (json ?? {}) as Partial<ErrorReply>;
  const isOurs = !response.ok && typeof reply.code === "string";
  return new CareersUsersError(
    response.status,
    isOurs ? reply.code! : "unexpected_reply",
    isOurs ? `${reply.error}` : `Unexpected reply (${response.status})`,
    {
      details: isOurs ? reply.details! : "",
      requestId: response.headers.get("X-Request-ID") ?? undefined,
      retryAfter: seconds(response.headers.get("Retry-After")),
    },
  );
}

/** Returns the seconds of a `Retry-After`, which may also be a date (RFC 9110, 10.2.3). */
function seconds(header: string | null): number | undefined {
  if (!header) return undefined;
  const wait = Number(header);
  const value = Number.isNaN(wait) ? (Date.parse(header) - Date.now()) / 1000 : wait;
  return Number.isNaN(value) ? undefined : Math.max(0, value);
}

function isRefused(error: unknown): error is CareersUsersError {
  return (
    error instanceof CareersUsersError &&
    error.status === 401 &&
    error.code.startsWith("token_")
  );
}

/** Returns whether the same call may succeed a little later. */
function isPassing(error: unknown): error is CareersUsersError {
  return (
    error instanceof CareersUsersError &&
    (error.status === 0 || RETRIED_STATUSES.includes(error.status)) &&
    error.code !== "search_timed_out" // It would time out again.
  );
}

function hasDetail(error: CareersUsersError, field: string): boolean {
  return typeof error.details === "object" && field in error.details;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function search(query: object): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  const words = given.map(([name, value]) => [name, String(value)]);
  return words.length ? `?${new URLSearchParams(words)}` : "";
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Waits for a promise no longer than until the signal is aborted. */
async function until<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return promise;
  let abort!: () => void;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Runs one at a time of all tabs, where the platform has Web Locks. */
async function exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
  const locks = (globalThis.navigator as Navigator | undefined)?.locks;
  return locks ? locks.request(`careers-users ${name}`, work) : work();
}
