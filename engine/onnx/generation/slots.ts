/** Slot scheduler for continuous batching: a waiting prompt enters the batch as soon as enough responses have ended. */

/** A prompt to generate responses to. */
export interface PromptTokens {
  /** Names the prompt in its random numbers: a response depends on it and on the seed, not on the other prompts of the batch. */
  id: string;
  tokens: number[];
}

/** One response to a prompt. */
export interface Generated {
  tokens: number[];
  /** Sum of the tokens' log-probabilities at temperature 1, in nats. */
  logp: number;
  /** `stop`: an end-of-sequence token was sampled. `length`: the response has as many tokens as it may have. */
  finishReason: 'stop' | 'length';
}

/** A response that is being generated. */
export interface Sample extends Generated {
  done: boolean;
}

/** A prompt in the batch. Its samples that are not done are neighbouring rows. */
export interface Slot {
  /** The prompt's index. */
  prompt: number;
  samples: Sample[];
}

/** Which prompts are in the batch, `active`, and which wait, in order. */
export class Slots {
  active: Slot[] = [];
  private readonly waiting: number[];
  private readonly mostRows: number;
  private readonly samplesPerPrompt: number;

  /**
   * @param waiting indices of the prompts, in the order in which they enter the batch
   * @param mostRows most samples in the batch at a time, unless one prompt has more
   */
  constructor(waiting: number[], mostRows: number, samplesPerPrompt: number) {
    this.waiting = [...waiting];
    this.mostRows = mostRows;
    this.samplesPerPrompt = samplesPerPrompt;
  }

  /** Removes waiting prompts. @returns the removed ones */
  drop(isUnwanted: (prompt: number) => boolean): number[] {
    const dropped = this.waiting.filter(isUnwanted);
    for (const prompt of dropped) this.waiting.splice(this.waiting.indexOf(prompt), 1);
    return dropped;
  }

  /**
   * Replaces complete prompts by waiting ones, and adds more, as far as their samples fit. When none wait, complete slots are removed and
   * the batch shrinks.
   * @returns for each active slot its index before, undefined where a prompt has just entered
   */
  refill(): (number | undefined)[] {
    const before: (number | undefined)[] = [];
    const active: Slot[] = [];
    let rows = this.active.reduce((sum, slot) => sum + liveSamples(slot).length, 0);
    const fits = () => this.waiting.length > 0 && (rows === 0 || rows + this.samplesPerPrompt <= this.mostRows);
    const enter = () => {
      rows += this.samplesPerPrompt;
      before.push(undefined);
      active.push({
        prompt: this.waiting.shift()!,
        samples: Array.from({ length: this.samplesPerPrompt }, emptySample),
      });
    };
    for (const [index, slot] of this.active.entries()) {
      if (!isComplete(slot)) {
        before.push(index);
        active.push(slot);
      } else if (fits()) enter();
    }
    while (fits()) enter();
    this.active = active;
    return before;
  }
}

/** A prompt's samples that go on. */
export const liveSamples = ({ samples }: Slot): Sample[] => samples.filter((sample) => !sample.done);

/** Whether all of a prompt's responses are done. */
export const isComplete = ({ samples }: Slot): boolean => samples.every((sample) => sample.done);

/** The response to a prompt that was cancelled while it waited. */
export const emptyResponse = (): Generated => ({ tokens: [], logp: 0, finishReason: 'length' });

const emptySample = (): Sample => ({ ...emptyResponse(), done: false });
