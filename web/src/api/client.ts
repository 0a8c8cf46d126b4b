import { parseJson } from "./json";
import { asProblem, isAbort, problemOf } from "./problem";

export type Query = Record<string, string | number | boolean | undefined>;

/** Sends requests as one person to one tenant. Every failure is an ApiProblem or an AbortError. */
export class ApiClient {
  readonly tenant: string;
  readonly #token: string;
  readonly #onRefused: () => void;

  /**
   * `onRefused` is called when the credential is not, or no longer, valid. Without a token the browser's
   * session says who it is.
   */
  constructor(token: string, tenant: string, onRefused: () => void = () => undefined) {
    this.tenant = tenant;
    this.#token = token;
    this.#onRefused = onRefused;
  }

  /** Reads what lies at a path below the tenant. */
  async get<Answer>(path: string, query: Query = {}, signal?: AbortSignal): Promise<Answer> {
    const response = await this.#send(path + search(query), { ...(signal && { signal }) });
    return parseJson(await response.text()) as Answer;
  }

  /** Posts a JSON text. */
  async post<Answer>(path: string, body: string): Promise<Answer> {
    const headers = { "Content-Type": "application/json" };
    const response = await this.#send(path, { method: "POST", body, headers });
    return parseJson(await response.text()) as Answer;
  }

  /** Opens a stream of server-sent events behind the event `lastId`; empty: from the beginning. */
  async stream(path: string, lastId: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (lastId) headers["Last-Event-ID"] = lastId;
    const response = await this.#send(path, { headers, signal });
    if (!response.body) throw asProblem(new Error("the answer has no body"));
    return response.body;
  }

  async #send(path: string, init: RequestInit): Promise<Response> {
    const url = `/api/v1/tenants/${encodeURIComponent(this.tenant)}${path}`;
    const headers = { ...init.headers, ...(this.#token && { Authorization: `Bearer ${this.#token}` }) };
    const response = await fetch(url, { ...init, headers, cache: "no-store" }).catch((error: unknown) => {
      throw isAbort(error) ? error : asProblem(error);
    });
    if (response.ok) return response;
    if (response.status === 401) this.#onRefused();
    throw await problemOf(response);
  }
}

/** Returns a query string with its question mark; what is undefined, empty or false is left out. */
export function search(query: Query): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "" && value !== false);
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text && `?${text}`;
}
