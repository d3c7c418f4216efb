/** A binary heap of numbers, from which the smallest is taken first. */
export class MinHeap {
  private readonly entries: number[] = [];

  push(entry: number): void {
    const { entries } = this;
    let at = entries.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (entries[parent] <= entry) break;
      entries[at] = entries[parent];
      at = parent;
    }
    entries[at] = entry;
  }

  pop(): number | undefined {
    const { entries } = this;
    const [smallest] = entries;
    const last = entries.pop();
    if (last === undefined || entries.length === 0) return smallest;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= entries.length) break;
      if (child + 1 < entries.length && entries[child + 1] < entries[child]) child++;
      if (last <= entries[child]) break;
      entries[at] = entries[child];
      at = child;
    }
    entries[at] = last;
    return smallest;
  }
}
