/** For every token of a sequence: its log-probability, and the most likely tokens at its position. */
import * as ops from './graph/ops.ts';
import { Graph } from './graph/tensor.ts';
import { MOST_LIKELY, type TokenScores } from '../protocol/jobs.ts';
import { packedAttention } from './model/attention.ts';
import { headLogits, transformer } from './model/transformer.ts';
import { groupLength } from '../training/groups.ts';
import { packedInputs, packGroups, planBatches, SCORING_TOKENS } from './packing.ts';
import { policyParameters } from './policy.ts';
import { openPolicySession, type PolicySession, type ScoredPolicy } from './policy-session.ts';

/**
 * A graph with the inputs of packGroups() except `owners`, and the outputs `logps`, [K, C], and `topLogps` and `topIds`,
 * [K, C, MOST_LIKELY].
 */
function tokenScoringGraph({ model, adapter }: ScoredPolicy): Graph {
  const { config } = model;
  const g = new Graph();
  const { ids, positions, blocks } = packedInputs(g);
  const [rows, targets] = ['rows', 'targets'].map((name) => g.input(name, 'int64', ['K', 'C']));
  const parameters = policyParameters(g, model, adapter);
  const hidden = transformer(g, config, parameters, ids, positions, packedAttention(config, blocks));
  const chunks = ops.reshape(g, ops.sizeOf(g, 'K'), []);
  const { scan } = ops.loop(g, chunks, [], [], 'K', (b, chunk) => {
    const states = ops.gather(b, hidden, ops.gather(b, rows, chunk));
    const logps = ops.logSoftmax(b, headLogits(b, config, parameters, states));
    const picked = ops.gatherColumns(b, logps, ops.unsqueeze(b, ops.gather(b, targets, chunk), 1));
    return { state: [], scan: [picked, ...ops.topK(b, logps, Math.min(MOST_LIKELY, config.vocabSize))] };
  });
  for (const [i, name] of ['logps', 'topLogps', 'topIds'].entries()) g.output(name, scan[i]);
  return g;
}

/** Scores the tokens of sequences under one policy. */
export class TokenScorer {
  private readonly opened: PolicySession;

  private constructor(opened: PolicySession) {
    this.opened = opened;
  }

  static async open(policy: ScoredPolicy, threads: number): Promise<TokenScorer> {
    return new TokenScorer(await openPolicySession(tokenScoringGraph(policy), policy, threads));
  }

  /**
   * @param onBatch called after each batch with the number of sequences and tokens done; it may throw to stop
   * @param isCancelled whether to leave out a sequence, by its index; called before its batch
   * @returns for each sequence, in order, the scores of its tokens except the first; none if it was left out
   */
  async score(
    sequences: number[][],
    onBatch: (done: number, tokens: number) => void,
    isCancelled: (sequence: number) => boolean = () => false,
  ): Promise<TokenScores[][]> {
    const results: TokenScores[][] = sequences.map(() => []);
    const scored = sequences.flatMap(({ length }, i) => (length > 1 ? [i] : []));
    const groups = scored.map((i) => ({ prompt: sequences[i].slice(0, 1), responses: [sequences[i].slice(1)] }));
    let [done, computed] = [0, 0];
    for (const planned of planBatches(groups, SCORING_TOKENS)) {
      done += planned.length;
      const batch = planned.filter((i) => !isCancelled(scored[i]));
      if (batch.length === 0) continue;
      const packed = packGroups(
        batch.map((i) => groups[i]),
        this.opened.vocabSize,
      );
      const { owners: _, ...feeds } = packed.feeds;
      const outputs = await this.opened.session.run({ ...feeds, ...this.opened.adapter });
      const [logps, topLogps] = ['logps', 'topLogps'].map((name) => outputs[name].data as Float32Array);
      const topIds = outputs['topIds'].data as BigInt64Array;
      const width = topIds.length / logps.length;
      let token = 0;
      for (const i of batch) {
        results[scored[i]] = groups[i].responses[0].map(() => {
          const from = token++ * width;
          const top = Array.from({ length: width }, (__, k) => ({
            id: Number(topIds[from + k]),
            logp: topLogps[from + k],
          }));
          return { logp: logps[token - 1], top };
        });
        computed += groupLength(groups[i]);
      }
      onBatch(done, computed);
    }
    return results;
  }

  async close(): Promise<void> {
    await this.opened.session.close();
  }
}
