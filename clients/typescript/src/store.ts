import type { Tokens } from "./schema.js";

/** Where a client keeps its tokens. Both functions may be asynchronous. */
export interface TokenStore {
  get(): Tokens | null | Promise<Tokens | null>;
  /** Keeps new tokens, or forgets them all. */
  set(tokens: Tokens | null): void | Promise<void>;
}

/** What `localStorage` and `sessionStorage` have in common. */
export interface StringStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** Keeps tokens in memory: gone with the page, and out of reach of other scripts. */
export function memoryStore(tokens: Tokens | null = null): TokenStore {
  return {
    get: () => tokens,
    set: (now) => void (tokens = now),
  };
}

/**
 * Keeps tokens in `localStorage` (all tabs, until signed out) or `sessionStorage` (one tab).
 *
 * Every script of the page can read them there, so one injected script (XSS) takes the
 * session along. Use it only with a strict Content-Security-Policy.
 */
export function storageStore(
  storage: StringStorage,
  key = "careers-users",
): TokenStore {
  return {
    get() {
      try {
        return JSON.parse(storage.getItem(key) ?? "null") as Tokens | null;
      } catch {
        return null; // The parser's error would quote the token.
      }
    },
    set: (now) =>
      now ? storage.setItem(key, JSON.stringify(now)) : storage.removeItem(key),
  };
}
