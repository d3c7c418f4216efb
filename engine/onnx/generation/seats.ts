/** Who is being answered: prompts enter as others leave. */

export interface Generated {
  tokens: number[];
  /** Sum of the tokens' log-probabilities at temperature 1, in nats. */
  logp: number;
  finishReason: 'stop' | 'length';
}

export interface Sample extends Generated {
  done: boolean;
}

/** A prompt being answered: its samples occupy neighbouring rows. */
export interface Seat {
  prompt: number;
  samples: Sample[];
}

/** Prompts by their index, in the order they wait in; at most `count` of them are being answered. */
export class Seats {
  taken: Seat[] = [];
  private readonly waiting: number[];
  private readonly count: number;
  private readonly samplesPerPrompt: number;

  constructor(waiting: number[], count: number, samplesPerPrompt: number) {
    this.waiting = [...waiting];
    this.count = count;
    this.samplesPerPrompt = samplesPerPrompt;
  }

  /** Removes prompts from those that wait. @returns them */
  drop(isUnwanted: (prompt: number) => boolean): number[] {
    const dropped = this.waiting.filter(isUnwanted);
    for (const prompt of dropped) this.waiting.splice(this.waiting.indexOf(prompt), 1);
    return dropped;
  }

  /**
   * Who is answered makes place for who waits, and nobody waiting, for nobody: the batch shrinks.
   * @returns for each seat that is taken now which it was before; undefined where somebody entered
   */
  reseat(): (number | undefined)[] {
    const before: (number | undefined)[] = [];
    const taken: Seat[] = [];
    const enter = () => {
      before.push(undefined);
      taken.push({
        prompt: this.waiting.shift()!,
        samples: Array.from({ length: this.samplesPerPrompt }, emptySample),
      });
    };
    for (const [place, seat] of this.taken.entries()) {
      if (!isAnswered(seat)) {
        before.push(place);
        taken.push(seat);
      } else if (this.waiting.length > 0) enter();
    }
    while (taken.length < this.count && this.waiting.length > 0) enter();
    this.taken = taken;
    return before;
  }
}

export const isAnswered = ({ samples }: Seat) => samples.every((sample) => sample.done);

/** The answer to a prompt that was cancelled before its turn. */
export const emptyAnswer = (): Generated => ({ tokens: [], logp: 0, finishReason: 'length' });

const emptySample = (): Sample => ({ ...emptyAnswer(), done: false });
