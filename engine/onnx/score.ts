/** Log-probabilities of given responses. */
import { Graph } from './graph/tensor.ts';
import { policyParameters } from './policy.ts';
import { openPolicySession, type PolicySession, type ScoredPolicy } from './policy-session.ts';
import { groupByPrompt } from '../training/groups.ts';
import { packGroups, planBatches, SCORING_TOKENS } from './packing.ts';
import { sequenceLogps } from './sequences.ts';
import { float32 } from './session.ts';
import type { TokenizedResponse } from '../tokens/responses.ts';

/** A graph with the inputs of packGroups() and `sequences`, float32 [N], and the output `logps`, [N]. */
function scoringGraph({ model, adapter }: ScoredPolicy): Graph {
  const g = new Graph();
  const sequences = g.input('sequences', 'float32', ['N']);
  g.output('logps', sequenceLogps(g, model.config, policyParameters(g, model, adapter), sequences));
  return g;
}

/** Computes log-probabilities of responses under one policy. */
export class Scorer {
  private readonly opened: PolicySession;

  private constructor(opened: PolicySession) {
    this.opened = opened;
  }

  static async open(policy: ScoredPolicy, threads: number): Promise<Scorer> {
    return new Scorer(await openPolicySession(scoringGraph(policy), policy, threads));
  }

  /**
   * @param onBatch called after each batch with the number of rows and tokens done; it may throw to stop
   * @returns the sum of each response's token log-probabilities (nats), in the order of the rows
   */
  async score(rows: TokenizedResponse[], onBatch?: (rows: number, tokens: number) => void): Promise<Float64Array> {
    const { groups, members } = groupByPrompt(rows, SCORING_TOKENS);
    const logps = new Float64Array(rows.length);
    let [done, computed] = [0, 0];
    for (const batch of planBatches(groups, SCORING_TOKENS)) {
      const { feeds, tokens } = packGroups(
        batch.map((i) => groups[i]),
        this.opened.vocabSize,
      );
      const owners = batch.flatMap((i) => members[i]);
      const sequences = float32(new Float32Array(owners.length), [owners.length]);
      const result = await this.opened.session.run({ ...feeds, ...this.opened.adapter, sequences });
      for (const [n, logp] of (result['logps'].data as Float32Array).entries()) logps[owners[n]] = logp;
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
