/** A block of keys and values outside the graph: rows that come and go, filled from the outputs of runs. */
import type ort from 'onnxruntime-node';
import { HIDDEN } from '../model/attention.ts';
import type { ModelFiles } from '../model/parameters.ts';
import { bitsOf, float32, fromBits, type Bits, type Feeds } from '../session.ts';
import type { Target } from '../target.ts';

/** Capacities are multiples of this, so that a block is not laid out anew for every few tokens. */
const STEP = 64;

/**
 * Keys and values of all layers for a number of rows, each [rows / n, kvHeads, n, capacity, headDim] where n rows belong to one
 * prompt; row r holds `lengths[r]` tokens from the start, and the mask hides the rest. They are moved about as bits, whatever
 * numbers they are.
 */
export class CacheBlock {
  lengths: number[] = [];
  private capacity = 0;
  private readonly tensors: Map<string, Bits>;
  private readonly type: Target['cache'];
  private readonly heads: number;
  private readonly width: number;
  private readonly maskName: string;
  private readonly rowsPerPrompt: number;

  /** @param names of the tensors, as the decode graph calls them */
  constructor(
    { config, target }: Pick<ModelFiles, 'config' | 'target'>,
    names: string[],
    maskName: string,
    rowsPerPrompt: number,
  ) {
    this.type = target.cache;
    this.rowsPerPrompt = rowsPerPrompt;
    this.tensors = new Map(names.map((name) => [name, this.room(0)]));
    this.heads = config.kvHeads;
    this.width = config.headDim;
    this.maskName = maskName;
  }

  /**
   * Keeps `rows` (indices of present rows, in their new order; undefined for an empty one), with room for `length` tokens.
   * Nothing is moved where that is how it is already.
   */
  arrange(rows: (number | undefined)[], length: number): void {
    const lengths = rows.map((row) => (row === undefined ? 0 : this.lengths[row]));
    const capacity = Math.ceil(Math.max(length, ...lengths) / STEP) * STEP;
    const unmoved = rows.every((row, i) => row === i || row === undefined);
    if (rows.length !== this.lengths.length || !unmoved || capacity !== this.capacity) {
      for (const [name, old] of this.tensors) {
        const fresh = this.room(rows.length * this.heads * capacity * this.width);
        for (const [to, from] of rows.entries()) {
          if (from !== undefined) this.copy(fresh, capacity, to, 0, old, this.capacity, from, lengths[to]);
        }
        this.tensors.set(name, fresh);
      }
      this.capacity = capacity;
    }
    this.lengths = lengths;
  }

  /**
   * Appends `count` tokens to a row from a run's output.
   * @param source the tensor by its name here, [sourceRows / n, kvHeads, n, sourceLength, headDim]
   * @param from where in the source's row they begin
   */
  append(
    row: number,
    source: (name: string) => ort.Tensor,
    sourceRow: number,
    sourceLength: number,
    count: number,
    from = 0,
  ) {
    for (const [name, target] of this.tensors) {
      this.copy(
        target,
        this.capacity,
        row,
        this.lengths[row],
        bitsOf(source(name)),
        sourceLength,
        sourceRow,
        count,
        from,
      );
    }
    this.lengths[row] += count;
  }

  feeds(): Feeds {
    const rows = this.lengths.length;
    const mask = new Float32Array(rows * this.capacity);
    for (const [row, length] of this.lengths.entries()) {
      mask.fill(HIDDEN, row * this.capacity + length, (row + 1) * this.capacity);
    }
    const prompts = rows / this.rowsPerPrompt;
    const shape = [prompts, this.heads, this.rowsPerPrompt, this.capacity, this.width];
    return {
      [this.maskName]: float32(mask, [prompts, this.rowsPerPrompt, this.capacity]),
      ...Object.fromEntries([...this.tensors].map(([name, data]) => [name, fromBits(this.type, data, shape)])),
    };
  }

  private room(length: number): Bits {
    return this.type === 'float32' ? new Uint32Array(length) : new Uint16Array(length);
  }

  private copy(
    target: Bits,
    targetLength: number,
    targetRow: number,
    offset: number,
    source: Bits,
    sourceLength: number,
    sourceRow: number,
    count: number,
    sourceOffset = 0,
  ): void {
    const { heads, width } = this;
    for (let head = 0; head < heads; head++) {
      const from = (this.place(sourceRow, head) * sourceLength + sourceOffset) * width;
      const to = (this.place(targetRow, head) * targetLength + offset) * width;
      target.set(source.subarray(from, from + count * width), to);
    }
  }

  /** Where a row's head lies among all of them. */
  private place(row: number, head: number): number {
    const sample = row % this.rowsPerPrompt;
    return (((row - sample) / this.rowsPerPrompt) * this.heads + head) * this.rowsPerPrompt + sample;
  }
}
