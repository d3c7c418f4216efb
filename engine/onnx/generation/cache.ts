/** A block of keys and values outside the graph: rows that come and go, filled from the outputs of runs. */
import type ort from 'onnxruntime-node';
import { HIDDEN } from '../model/attention-block.ts';
import { bitsOf, float32, fromBits, type Bits, type Feeds } from '../session.ts';
import type { Target } from '../target.ts';
import type { ModelFiles } from '../model/model-files.ts';

/** Capacities are multiples of this: attention takes as long over a place that the mask hides as over one it shows. */
const STEP = 16;

/** Places of each row beyond those asked for, when a block has grown too large for its memory: so many tokens later it does again. */
const ROOM = 128;

/** Numbers to copy, counted from the beginnings of where they are and where they go. */
interface Move {
  from: number;
  to: number;
  count: number;
}

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
   * Keeps `rows` (indices of present rows, ascending; undefined for an empty one), with places for `length` tokens. They are moved
   * within their memory as long as it has room.
   */
  arrange(rows: (number | undefined)[], length: number): void {
    const { heads, width } = this;
    const lengths = rows.map((row) => (row === undefined ? 0 : this.lengths[row]));
    const capacity = Math.ceil(Math.max(length, ...lengths) / STEP) * STEP;
    const moves = rows.flatMap((row, to) =>
      row === undefined ? [] : this.copies(row, this.capacity, 0, to, capacity, 0, lengths[to]),
    );
    const inPlace = withinMemory(moves);
    const size = rows.length * heads * capacity * width;
    for (const [name, data] of this.tensors) {
      if (size <= data.length) for (const { from, to, count } of inPlace) data.copyWithin(to, from, from + count);
      else {
        const larger = this.room(data.length === 0 ? size : size + rows.length * heads * ROOM * width);
        copy(larger, data, moves);
        this.tensors.set(name, larger);
      }
    }
    this.capacity = capacity;
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
    const copies = this.copies(sourceRow, sourceLength, from, row, this.capacity, this.lengths[row], count);
    for (const [name, data] of this.tensors) copy(data, bitsOf(source(name)), copies);
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
    const size = shape.reduce((a, b) => a * b);
    return {
      [this.maskName]: float32(mask, [prompts, this.rowsPerPrompt, this.capacity]),
      ...Object.fromEntries(
        [...this.tensors].map(([name, data]) => [name, fromBits(this.type, data.subarray(0, size), shape)]),
      ),
    };
  }

  private room(length: number): Bits {
    return this.type === 'float32' ? new Uint32Array(length) : new Uint16Array(length);
  }

  /** Tokens of a row of one layout that go to a row of another: a piece for each head. */
  private copies(
    fromRow: number,
    fromCapacity: number,
    fromToken: number,
    toRow: number,
    toCapacity: number,
    toToken: number,
    tokens: number,
  ): Move[] {
    return Array.from({ length: this.heads }, (_, head) => ({
      from: (this.place(fromRow, head) * fromCapacity + fromToken) * this.width,
      to: (this.place(toRow, head) * toCapacity + toToken) * this.width,
      count: tokens * this.width,
    }));
  }

  /** Where a row's head lies among all of them. */
  private place(row: number, head: number): number {
    const sample = row % this.rowsPerPrompt;
    return (((row - sample) / this.rowsPerPrompt) * this.heads + head) * this.rowsPerPrompt + sample;
  }
}

function copy(target: Bits, source: Bits, moves: Move[]): void {
  for (const { from, to, count } of moves) target.set(source.subarray(from, from + count), to);
}

/**
 * Moves in an order in which none goes onto numbers that are still to be moved: what goes down begins at the bottom, what goes up
 * at the top. Their places ascend alike, before and after.
 */
function withinMemory(moves: Move[]): Move[] {
  const ascending = moves.toSorted((a, b) => a.from - b.from);
  const down = ascending.filter(({ from, to }) => to < from);
  const up = ascending.filter(({ from, to }) => to > from).reverse();
  return [...down, ...up];
}
