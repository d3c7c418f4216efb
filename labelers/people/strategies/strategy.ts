/** What a strategy is: it selects about which pairs of responses people are asked. */

/** A prompt about which people can be asked: it has at least two different responses. */
export interface AskablePrompt {
  id: string;
  /** Its candidates with different texts, by their index in the row (labels.ts). */
  candidates: Candidate[];
  /** The pairs that may be asked, as positions in `candidates`. At least one. */
  pairs: [number, number][];
}

/** A response that can be shown to people. */
export interface Candidate {
  index: number;
  /** Its implicit reward r(y) = β log(π(y | x) / π_start(y | x)), in nats. 0 where the policy is the start policy. */
  reward: number;
  /** The policy's features of the response. Only for strategies that need them. */
  features?: Float32Array;
}

/** A pair that a strategy selected. */
export interface SelectedPair<Prompt extends AskablePrompt = AskablePrompt> {
  prompt: Prompt;
  /** Positions in the prompt's `candidates`. */
  pair: [number, number];
  /** What the strategy compares. */
  value: number;
}

/** The arguments of a strategy besides its prompts. */
interface Selection {
  /** The number of pairs to select, of different prompts. At most the number of prompts. */
  count: number;
  /** Of ties, and of what is selected at random. */
  seed: number;
  /** Pairs of other prompts that are asked in any case. */
  asked: SelectedPair[];
}

/** A strategy. Its result does not depend on the order of the prompts. */
export interface Strategy {
  /** What it needs of the candidates. */
  needs: { rewards?: true; features?: true };
  select<Prompt extends AskablePrompt>(prompts: Prompt[], selection: Selection): Promise<SelectedPair<Prompt>[]>;
}

/** The difference of the implicit rewards of a pair. */
export const marginOf = ({ candidates }: AskablePrompt, [a, b]: [number, number]): number =>
  candidates[a].reward - candidates[b].reward;
