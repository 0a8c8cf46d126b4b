/** Returns the end of an id: the part that differs among runs of the same moment. */
export function shortId(id: string): string {
  return id.slice(-8);
}
