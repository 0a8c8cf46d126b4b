/** Who is signed in, and for which tenant. Without a token the browser's session says who. */
export interface Credentials {
  token: string;
  tenant: string;
}

const KEY = "quarterdeck.credentials";
const DEFAULT_TENANT = "default";

/** Returns who signed in in this tab with a token, if anybody did. */
export function loadCredentials(): Credentials | null {
  try {
    const found = JSON.parse(sessionStorage.getItem(KEY) ?? "null") as Partial<Credentials> | null;
    return found?.token && found.tenant ? { token: found.token, tenant: found.tenant } : null;
  } catch {
    return null;
  }
}

/** Keeps the token until the tab is closed; null forgets it. */
export function saveCredentials(credentials: Credentials | null): void {
  if (credentials?.token) sessionStorage.setItem(KEY, JSON.stringify(credentials));
  else sessionStorage.removeItem(KEY);
}

/** Returns the credentials of who is signed in by a session; `confined` is the only tenant they may see. */
export function ofSession(confined: string | null): Credentials {
  return { token: "", tenant: confined ?? DEFAULT_TENANT };
}
