/** The first of the keys that an earlier one equals: the indices of both. */
export function findRepeated<Key>(keys: Key[]): { key: Key; first: number; again: number } | undefined {
  const firsts = new Map<Key, number>();
  for (const [again, key] of keys.entries()) {
    const first = firsts.get(key);
    if (first !== undefined) return { key, first, again };
    firsts.set(key, again);
  }
  return undefined;
}
