/** Work that many requests want at the same time. */

interface Entry<Result> {
  running: Promise<Result>;
  next?: Promise<Result>;
}

/**
 * Does work once for all who ask for it at the same time. Who asks while it is being done waits for the next time, so that no result is
 * from before it was asked for.
 * @param keyOf inputs with the same key have the same result
 */
export function shared<Input, Result>(
  work: (input: Input) => Promise<Result>,
  keyOf: (input: Input) => string,
): (input: Input) => Promise<Result> {
  const entries = new Map<string, Entry<Result>>();
  const start = (key: string, input: Input): Promise<Result> => {
    const entry: Entry<Result> = { running: work(input) };
    entries.set(key, entry);
    const end = () => void (entry.next || entries.delete(key));
    entry.running.then(end, end);
    return entry.running;
  };
  return (input) => {
    const key = keyOf(input);
    const entry = entries.get(key);
    if (!entry) return start(key, input);
    const again = () => start(key, input);
    entry.next ??= entry.running.then(again, again);
    return entry.next;
  };
}
