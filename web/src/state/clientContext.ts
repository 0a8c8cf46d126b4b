import { createContext, useContext } from "react";
import type { ApiClient } from "../api/client";

export const ClientContext = createContext<ApiClient | null>(null);

/** Returns the client of who is signed in. */
export function useClient(): ApiClient {
  const client = useContext(ClientContext);
  if (!client) throw new Error("nobody is signed in here");
  return client;
}
