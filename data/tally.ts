/** How often each value occurs. Values that do not occur are absent. */
export function tally<Value extends string>(values: Value[]): Partial<Record<Value, number>> {
  const counts: Partial<Record<Value, number>> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}
