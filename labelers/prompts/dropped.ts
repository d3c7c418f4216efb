/** Rows that prompts are not composed of, counted by reason. */

/** Reasons, and how a sentence states them. */
const REASONS = {
  heldOut: 'held out',
  nearHeldOut: 'nearly the same as a held-out prompt',
  duplicate: 'duplicates',
  noWords: 'without a letter or digit',
  hasInstructions: 'with instructions already',
  notUser: 'not ending with a user message',
  notCheckable: 'not checkable',
} as const;

export type Reason = keyof typeof REASONS;

/** The number of dropped rows by reason. */
export type Dropped = Partial<Record<Reason, number>>;

/** Counts a dropped row. */
export function drop(dropped: Dropped, reason: Reason): void {
  dropped[reason] = (dropped[reason] ?? 0) + 1;
}

/** A phrase such as `3 dropped (2 held out, 1 duplicates)`. Empty if none were dropped. */
export function describeDroppedRows(dropped: Dropped): string {
  const counts = Object.entries(dropped) as [Reason, number][];
  if (counts.length === 0) return '';
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  return `${total} dropped (${counts.map(([reason, count]) => `${count} ${REASONS[reason]}`).join(', ')})`;
}
