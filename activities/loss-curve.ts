/** The loss of a training in progress, for its heartbeats. The artifact has the metrics of every step. */

/** A step of training, and the mean loss of the steps since the point before. */
export type LossPoint = [step: number, loss: number];

/** A part of the heartbeats of a training. */
export interface Losses {
  losses?: LossPoint[];
}

/** Maximum points: heartbeats are small. */
const MOST = 64;
const DIGITS = 4;

/** The loss of a training in progress, as means over a bounded number of intervals. */
export class LossCurve {
  /** Each is the mean of `#stride` steps. The last one may be of fewer. */
  #points: { step: number; sum: number; count: number }[];
  #stride = 1;

  /**
   * @param before the curve of the attempt before
   * @param from the step at which this attempt goes on
   */
  constructor(before: LossPoint[] = [], from = 0) {
    this.#points = before
      .filter(([step]) => step <= from)
      .map(([step, loss], i) => {
        const count = step - (before[i - 1]?.[0] ?? 0);
        return { step, sum: loss * count, count };
      });
    this.#stride = Math.max(1, ...this.#points.map(({ count }) => count));
  }

  add(step: number, loss: number): void {
    const last = this.#points.at(-1);
    // A step with a checkpoint is reported again when the checkpoint is saved.
    if (last && step <= last.step) return;
    if (last && last.count < this.#stride) {
      Object.assign(last, { step, sum: last.sum + loss, count: last.count + 1 });
      return;
    }
    if (this.#points.length === MOST) this.#halve();
    this.#points.push({ step, sum: loss, count: 1 });
  }

  /** Joins neighbors, so that all points are the means of equally many steps. */
  #halve(): void {
    this.#points = Array.from({ length: MOST / 2 }, (_, i) => {
      const [a, b] = this.#points.slice(2 * i, 2 * i + 2);
      return { step: b.step, sum: a.sum + b.sum, count: a.count + b.count };
    });
    this.#stride *= 2;
  }

  get points(): LossPoint[] {
    return this.#points.map(({ step, sum, count }) => [step, Number((sum / count).toPrecision(DIGITS))]);
  }
}
