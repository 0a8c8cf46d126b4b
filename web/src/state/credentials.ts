/** Who is signed in, and for which tenant. */
export interface Credentials {
  token: string;
  tenant: string;
}

const KEY = "quarterdeck.credentials";

/** Returns who signed in in this tab, if anybody did. */
export function loadCredentials(): Credentials | null {
  try {
    const found = JSON.parse(sessionStorage.getItem(KEY) ?? "null") as Partial<Credentials> | null;
    return found?.token && found.tenant ? { token: found.token, tenant: found.tenant } : null;
  } catch {
    return null;
  }
}

/** Keeps the credentials until the tab is closed; null forgets them. */
export function saveCredentials(credentials: Credentials | null): void {
  if (credentials) sessionStorage.setItem(KEY, JSON.stringify(credentials));
  else sessionStorage.removeItem(KEY);
}
