/** A binary heap that gives the item with the largest key first. */
export class MaxHeap<T> {
  private readonly keyOf: (item: T) => number;
  private readonly items: T[] = [];

  constructor(keyOf: (item: T) => number) {
    this.keyOf = keyOf;
  }

  push(item: T): void {
    const { items, keyOf } = this;
    let at = items.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (keyOf(items[parent]) >= keyOf(item)) break;
      items[at] = items[parent];
      at = parent;
    }
    items[at] = item;
  }

  /** Removes the item with the largest key. Undefined if there is none. */
  pop(): T | undefined {
    const { items, keyOf } = this;
    const top = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return top;
    let at = 0;
    for (let child = 1; child < items.length; child = 2 * at + 1) {
      if (child + 1 < items.length && keyOf(items[child + 1]) > keyOf(items[child])) child++;
      if (keyOf(last) >= keyOf(items[child])) break;
      items[at] = items[child];
      at = child;
    }
    items[at] = last;
    return top;
  }
}
