/** How far the policy that decodes with 8-bit weights is from the policy itself. */
import * as ops from '../graph/ops.ts';
import { Graph } from '../graph/tensor.ts';
import { packedAttention } from '../model/attention.ts';
import { quantizedWeights } from '../model/quantize.ts';
import { headLogits, transformer } from '../model/transformer.ts';
import { packedInputs, packGroups, planBatches, SCORING_TOKENS, type Group } from '../packing.ts';
import { adapterFeeds, policyParameters, type OpenPolicy } from '../policy.ts';
import { Session } from '../session.ts';

export interface Divergence {
  /** Mean of KL(policy || 8-bit policy) over the next-token distributions, in nats. */
  klPerToken: number;
  /** How many distributions. */
  tokens: number;
}

/**
 * Takes packGroups()'s `ids`, `positions`, `blocks`, `rows` and `owners`; gives `kl`, [K, C]: for each response token the
 * divergence of the two distributions it was drawn from.
 */
function divergenceGraph({ model, adapter }: Pick<OpenPolicy, 'model' | 'adapter'>): Graph {
  const g = new Graph();
  const { config } = model;
  const { ids, positions, blocks } = packedInputs(g);
  const rows = g.input('rows', 'int64', ['K', 'C']);
  const own = policyParameters(g, model, adapter);
  const rounded = { ...own, quantized: quantizedWeights(g, model) };
  const attend = packedAttention(config, blocks);
  const policies = [own, rounded].map((parameters) => ({
    parameters,
    hidden: transformer(g, config, parameters, ids, positions, attend),
  }));
  const trips = ops.reshape(g, ops.sizeOf(g, 'K'), []);
  const { scan } = ops.loop(g, trips, [], [], 'K', (b, chunk) => {
    const row = ops.gather(b, rows, chunk);
    const [p, q] = policies.map(({ parameters, hidden }) =>
      ops.logSoftmax(b, headLogits(b, config, parameters, ops.gather(b, hidden, row))),
    );
    return { state: [], scan: [ops.reduceSum(b, ops.mul(b, ops.exp(b, p), ops.sub(b, p, q)), -1, false)] };
  });
  g.output('kl', scan[0]);
  return g;
}

/** The divergence over the response tokens of prompts and answers to them. */
export async function quantizationDivergence(
  opened: Pick<OpenPolicy, 'model' | 'adapter'>,
  groups: Group[],
  threads: number,
): Promise<Divergence> {
  const session = await Session.open(divergenceGraph(opened), { folder: opened.model.dataFolder, threads });
  try {
    let [sum, tokens] = [0, 0];
    for (const batch of planBatches(groups, SCORING_TOKENS)) {
      const { owners, targets: _, ...feeds } = packGroups(batch.map((i) => groups[i]), opened.model.config.vocabSize).feeds; // prettier-ignore
      const { kl } = await session.run({ ...feeds, ...adapterFeeds(opened.adapter) });
      for (const [i, value] of (kl.data as Float32Array).entries()) {
        if ((owners.data as BigInt64Array)[i] < 0n) continue;
        sum += value;
        tokens++;
      }
    }
    return { klPerToken: sum / tokens, tokens };
  } finally {
    await session.close();
  }
}
