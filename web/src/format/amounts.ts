const COUNT = new Intl.NumberFormat("en-US");

/** Returns millionths of a US dollar as money; less than a cent keeps four digits. */
export function money(microUsd: number): string {
  if (microUsd === 0) return "$0";
  const usd = microUsd / 1_000_000;
  return usd < 0.01 ? `$${usd.toFixed(4)}` : `$${usd.toFixed(2)}`;
}

/** Returns a count with its thousands told apart. */
export function count(value: number): string {
  return COUNT.format(value);
}

/** Returns "1 approval", "3 approvals". */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}
