import type { RunEvent } from "../api/types";

/** What is known of a journal: its entries in order, and what is going on right now. */
export interface Journal {
  events: readonly RunEvent[];
  /** The newest live-only event; gone with the next entry. */
  live: RunEvent | null;
}

export const EMPTY: Journal = { events: [], live: null };

/** Adds what a stream brought; an entry that is there already is left out. */
export function append(journal: Journal, arrived: readonly RunEvent[]): Journal {
  const events = [...journal.events];
  let live = journal.live;
  for (const event of arrived) {
    if (!event.seq) live = event;
    else if (event.seq > (events.at(-1)?.seq ?? 0)) {
      events.push(event);
      live = null;
    }
  }
  return { events, live };
}
