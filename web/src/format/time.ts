const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Returns seconds as the two units that matter: "0.4 s", "12 s", "3 min 5 s", "2 h 10 min", "4 d 3 h". */
export function duration(seconds: number): string {
  const given = Math.max(0, seconds);
  if (given < 9.95) return `${given.toFixed(1)} s`;
  const whole = Math.round(given);
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return pair(whole, MINUTE, "min", 1, "s");
  if (whole < DAY) return pair(whole, HOUR, "h", MINUTE, "min");
  return pair(whole, DAY, "d", HOUR, "h");
}

function pair(seconds: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((seconds % large) / small);
  const head = `${Math.floor(seconds / large)} ${largeName}`;
  return rest ? `${head} ${rest} ${smallName}` : head;
}

/** Returns how long ago a moment was, in one unit: "now", "12 s", "3 min", "2 h", "4 d". */
export function age(at: string | null, now: number): string {
  if (!at) return "–";
  const seconds = Math.floor((now - Date.parse(at)) / 1000);
  if (seconds < 1) return "now";
  if (seconds < MINUTE) return `${seconds} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h`;
  return `${Math.floor(seconds / DAY)} d`;
}

/** Returns the seconds between two moments; an open end is `now` (Unix milliseconds). */
export function secondsBetween(from: string | null, to: string | null, now: number): number {
  if (!from) return 0;
  return ((to ? Date.parse(to) : now) - Date.parse(from)) / 1000;
}

/** Returns the time of day in the reader's zone: "09:04:31". */
export function clock(at: string): string {
  return new Date(at).toLocaleTimeString("en-GB");
}

/** Returns day and time in the reader's zone: "21 Nov 2026, 09:04:31". */
export function moment(at: string): string {
  return new Date(at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
}
