/** Keys and values between runs of the decode graph: rows that are added, moved and removed. */
import type ort from '../../onnxruntime.ts';
import { HIDDEN } from '../model/attention-block.ts';
import { float32, type Feeds } from '../session.ts';
import { elementCount } from '../../model-files/element-count.ts';
import type { LlamaConfig } from '../../model-files/llama-config.ts';

/** Capacities, in tokens, are multiples of this. Small, since attention takes as long for a hidden token as for a visible one. */
const STEP = 16;

/** Extra tokens per row for which memory is allocated when a block has outgrown its memory. */
const ROOM = 128;

/** `count` numbers to copy, from index `from` of the source to index `to` of the target. */
interface Move {
  from: number;
  to: number;
  count: number;
}

/**
 * Keys and values of all layers for a number of rows. Each tensor is [rows, kvHeads, capacity, headDim]. The first `lengths[r]` tokens of
 * row r are in use; a mask hides the rest.
 */
export class CacheBlock {
  lengths: number[] = [];
  private capacity = 0;
  private readonly tensors: Map<string, Float32Array>;
  private readonly heads: number;
  private readonly width: number;
  private readonly maskName: string;

  /**
   * @param names of the tensors: inputs of the decode graph
   * @param maskName the input that takes the mask
   */
  constructor({ kvHeads, headDim }: Pick<LlamaConfig, 'kvHeads' | 'headDim'>, names: string[], maskName: string) {
    this.tensors = new Map(names.map((name) => [name, new Float32Array(0)]));
    this.heads = kvHeads;
    this.width = headDim;
    this.maskName = maskName;
  }

  /**
   * Keeps some rows, in their order, and adds empty ones. Rows are moved within their memory as long as it is large enough.
   * @param rows the present index of each row to keep, ascending; undefined for an empty row
   * @param length tokens that each row must have room for
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
        const larger = new Float32Array(data.length === 0 ? size : size + rows.length * heads * ROOM * width);
        copy(larger, data, moves);
        this.tensors.set(name, larger);
      }
    }
    this.capacity = capacity;
    this.lengths = lengths;
  }

  /**
   * Appends `count` tokens of a run's output to a row.
   * @param source the run's tensor for each of this block's names, [sourceRows, kvHeads, sourceLength, headDim]
   * @param from index of the first of them in the source's row
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
    for (const [name, data] of this.tensors) copy(data, source(name).data as Float32Array, copies);
    this.lengths[row] += count;
  }

  /** The tensors, and the mask, float32 [rows, 1, capacity]: 0 for tokens in use, HIDDEN for the others. */
  feeds(): Feeds {
    const rows = this.lengths.length;
    const mask = new Float32Array(rows * this.capacity);
    for (const [row, length] of this.lengths.entries()) {
      mask.fill(HIDDEN, row * this.capacity + length, (row + 1) * this.capacity);
    }
    const shape = [rows, this.heads, this.capacity, this.width];
    const size = elementCount(shape);
    return {
      [this.maskName]: float32(mask, [rows, 1, this.capacity]),
      ...Object.fromEntries([...this.tensors].map(([name, data]) => [name, float32(data.subarray(0, size), shape)])),
    };
  }

  /** The moves of `tokens` tokens from a row of one layout to a row of another: one per head. */
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
      from: ((fromRow * this.heads + head) * fromCapacity + fromToken) * this.width,
      to: ((toRow * this.heads + head) * toCapacity + toToken) * this.width,
      count: tokens * this.width,
    }));
  }
}

function copy(target: Float32Array, source: Float32Array, moves: Move[]): void {
  for (const { from, to, count } of moves) target.set(source.subarray(from, from + count), to);
}

/**
 * Moves within one array in an order in which none overwrites numbers that are still to be moved: first those to lower indices, from
 * the lowest, then those to higher ones, from the highest. Sorted by `from`, the moves are also sorted by `to`.
 */
function withinMemory(moves: Move[]): Move[] {
  const ascending = moves.toSorted((a, b) => a.from - b.from);
  const down = ascending.filter(({ from, to }) => to < from);
  const up = ascending.filter(({ from, to }) => to > from).reverse();
  return [...down, ...up];
}
