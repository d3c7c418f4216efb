/** Log-probabilities and feature vectors of given responses. */
import * as ops from './graph/ops.ts';
import { Graph } from './graph/tensor.ts';
import { policyParameters } from './policy.ts';
import { openPolicySession, type PolicySession, type ScoredPolicy } from './policy-session.ts';
import { groupByPrompt } from '../training/groups.ts';
import { packGroups, planBatches, SCORING_TOKENS } from './packing.ts';
import { sequenceLogps } from './sequences.ts';
import { float32, int64 } from './session.ts';
import type { TokenizedResponse } from '../tokens/responses.ts';

/**
 * A graph with the inputs of packGroups() and `sequences`, float32 [N], and the output `logps`, [N]. With features also the input `lasts`,
 * int64 [N], and the output `features`, float32 [N, hiddenSize]: the final hidden states of these tokens.
 */
function scoringGraph({ model, adapter }: ScoredPolicy, withFeatures: boolean): Graph {
  const g = new Graph();
  const sequences = g.input('sequences', 'float32', ['N']);
  const { logps, hidden } = sequenceLogps(g, model.config, policyParameters(g, model, adapter), sequences);
  g.output('logps', logps);
  if (withFeatures) g.output('features', ops.gather(g, hidden, g.input('lasts', 'int64', ['N'])));
  return g;
}

/** Computes log-probabilities of responses under one policy, and their feature vectors (engine/features.ts) if asked to. */
export class Scorer {
  private readonly opened: PolicySession;
  private readonly withFeatures: boolean;

  private constructor(opened: PolicySession, withFeatures: boolean) {
    this.opened = opened;
    this.withFeatures = withFeatures;
  }

  static async open(policy: ScoredPolicy, threads: number, withFeatures = false): Promise<Scorer> {
    return new Scorer(await openPolicySession(scoringGraph(policy, withFeatures), policy, threads), withFeatures);
  }

  /**
   * @param onBatch called after each batch with the number of rows and tokens done; it may throw to stop
   * @param onFeatures called with each row's index and feature vector, float32 [hiddenSize], in any order; needs `withFeatures`
   * @returns the sum of each response's token log-probabilities (nats), in the order of the rows
   */
  async score(
    rows: TokenizedResponse[],
    onBatch?: (rows: number, tokens: number) => void,
    onFeatures?: (row: number, features: Float32Array) => void,
  ): Promise<Float64Array> {
    const { groups, members } = groupByPrompt(rows, SCORING_TOKENS);
    const logps = new Float64Array(rows.length);
    let [done, computed] = [0, 0];
    for (const batch of planBatches(groups, SCORING_TOKENS)) {
      const { feeds, lasts, tokens } = packGroups(
        batch.map((i) => groups[i]),
        this.opened.vocabSize,
      );
      const owners = batch.flatMap((i) => members[i]);
      const result = await this.opened.session.run({
        ...feeds,
        ...this.opened.adapter,
        sequences: float32(new Float32Array(owners.length), [owners.length]),
        ...(this.withFeatures && { lasts: int64(lasts, [lasts.length]) }),
      });
      for (const [n, logp] of (result['logps'].data as Float32Array).entries()) logps[owners[n]] = logp;
      if (onFeatures) {
        const features = result['features'].data as Float32Array;
        const width = features.length / owners.length;
        for (const [n, row] of owners.entries()) onFeatures(row, features.subarray(n * width, (n + 1) * width));
      }
      done += owners.length;
      computed += tokens;
      onBatch?.(done, computed);
    }
    return logps;
  }

  async close(): Promise<void> {
    await this.opened.session.close();
  }
}
