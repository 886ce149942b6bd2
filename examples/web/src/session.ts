import { CareersUsers, storageStore, type OwnProfile } from "careers-users";
import { say } from "./messages";

const KEY = "careers-users";

/**
 * The client renews tokens by itself. They survive a reload in localStorage, where every
 * script of the page can read them: hence the strict policy in index.html.
 */
export const client = new CareersUsers(import.meta.env.VITE_SERVICE, {
  store: storageStore(localStorage, KEY),
  onSignedOut: () => {
    signedOut();
    say("Your session has ended. Sign in again.", true);
  },
});

/** The user who is signed in, and what is drawn anew when that changes. */
export const session = {
  me: null as OwnProfile | null,
  changed: (): void => {},
};

/** Reads who is signed in: after a sign-in, a change, or a reload of the page. */
export async function load(): Promise<void> {
  session.me = (await client.store.get()) ? await client.getOwnProfile() : null;
}

/** Shows the page of one who has just signed in. */
export async function signedIn(): Promise<void> {
  await load();
  session.changed();
}

export function signedOut(): void {
  session.me = null;
  session.changed();
}

export async function signOut(): Promise<void> {
  await client.logout();
  signedOut();
  say("You are signed out.");
}

// Another tab has signed in or out.
addEventListener("storage", ({ key, newValue }) => {
  if (key === KEY && (newValue === null) !== (session.me === null)) location.reload();
});
