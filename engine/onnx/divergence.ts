/** KL divergence between two policies at the tokens of responses: the exact sum over the vocabulary at every token. */
import { dirname, relative, resolve, sep } from 'node:path';
import * as ops from './graph/ops.ts';
import { Graph, type Tensor } from './graph/tensor.ts';
import { packedAttention } from './model/attention.ts';
import type { LlamaConfig } from '../model-files/llama-config.ts';
import type { Parameters } from './model/parameters.ts';
import { quantizedWeights } from './model/quantize.ts';
import { headLogits, transformer } from './model/transformer.ts';
import { groupByPrompt } from '../training/groups.ts';
import { packedInputs, packGroups, planBatches, SCORING_TOKENS } from './packing.ts';
import { adapterFeeds, adapterInputs, policyParameters } from './policy.ts';
import type { LlamaPolicy } from '../tokens/policy.ts';
import type { ResponseDivergence } from '../protocol/jobs.ts';
import { Session, type Feeds } from './session.ts';
import type { LlamaFolder } from '../model-files/model.ts';
import { checkSameVocabulary } from '../tokens/checks.ts';
import type { TokenizedResponse } from '../tokens/responses.ts';

type Compared = Pick<LlamaPolicy, 'model' | 'adapter'>;

/** A model's configuration, and its weights in a graph. */
interface Network {
  config: LlamaConfig;
  parameters: Parameters;
}

/** A graph that computes the divergence of two models, and what its session needs. */
interface Comparison {
  graph: Graph;
  vocabSize: number;
  /** The folder of the graph's external data. */
  folder: string;
  adapters: Feeds;
}

/** Prefix of the reference policy's tensors in the graph. */
const REFERENCE = 'reference.';

/**
 * A graph with the inputs `ids`, `positions`, `blocks` and `rows` of packGroups() and the output `kl`, [K, C]: for each response token,
 * the divergence (nats) of the two distributions over the vocabulary at its position.
 */
function divergenceGraph(networks: (g: Graph) => [policy: Network, reference: Network]): Graph {
  const g = new Graph();
  const { ids, positions, blocks } = packedInputs(g);
  const rows = g.input('rows', 'int64', ['K', 'C']);
  const sides = networks(g).map(({ config, parameters }) => ({
    config,
    parameters,
    hidden: transformer(g, config, parameters, ids, positions, packedAttention(config, blocks)),
  }));
  const trips = ops.reshape(g, ops.sizeOf(g, 'K'), []);
  const { scan } = ops.loop(g, trips, [], [], 'K', (b, chunk) => {
    const row = ops.gather(b, rows, chunk);
    const [p, q] = sides.map(({ config, parameters, hidden }) =>
      ops.logSoftmax(b, headLogits(b, config, parameters, ops.gather(b, hidden, row))),
    );
    return { state: [], scan: [ops.reduceSum(b, divergenceTerms(b, p, q), -1, false)] };
  });
  g.output('kl', scan[0]);
  return g;
}

/**
 * P (log P - log Q) - P + Q. Its sum over the vocabulary is sum P (log P - log Q), because P and Q both sum to 1. No term is negative,
 * and an error of the normalization, which shifts log P - log Q by c, changes the sum by c^2 / 2 instead of c. So float32 keeps small
 * divergences.
 */
function divergenceTerms(g: Graph, p: Tensor, q: Tensor): Tensor {
  const [P, Q] = [ops.exp(g, p), ops.exp(g, q)];
  return ops.add(g, ops.sub(g, ops.mul(g, P, ops.sub(g, p, q)), P), Q);
}

/**
 * Compares two policies. If both have the same model folder, its weights are in the graph once.
 * @throws InputError when the two have different vocabularies
 */
function policyComparison(policy: Compared, reference: Compared): Comparison {
  const { model } = policy;
  const { vocabSize } = model.config;
  checkSameVocabulary(model, reference.model);
  const shared = resolve(model.folder) === resolve(reference.model.folder);
  const folder = shared ? model.dataFolder : commonFolder(model.dataFolder, reference.model.dataFolder);
  const graph = divergenceGraph((g) => {
    const own = policyParameters(g, { ...model, dataFolder: folder }, policy.adapter);
    const inputs = adapterInputs(g, reference.adapter, REFERENCE);
    const other = policyParameters(g, renamed(reference.model, folder), reference.adapter, inputs);
    return [
      { config: model.config, parameters: own },
      { config: reference.model.config, parameters: shared ? { ...other, weight: own.weight } : other },
    ];
  });
  const adapters = { ...adapterFeeds(policy.adapter), ...adapterFeeds(reference.adapter, REFERENCE) };
  return { graph, vocabSize, folder, adapters };
}

/** Compares a policy with the same policy with 8-bit weights. */
function quantizedComparison({ model, adapter }: Compared): Comparison {
  const { config, dataFolder: folder } = model;
  const graph = divergenceGraph((g) => {
    const own = policyParameters(g, model, adapter);
    return [
      { config, parameters: own },
      { config, parameters: { ...own, quantized: quantizedWeights(g, model) } },
    ];
  });
  return { graph, vocabSize: config.vocabSize, folder, adapters: adapterFeeds(adapter) };
}

/** The model with its tensors' names prefixed, and their files relative to `folder`. */
function renamed(model: LlamaFolder, folder: string): LlamaFolder {
  const tensors = [...model.tensors].map(
    ([name, entry]) => [name, { ...entry, name: `${REFERENCE}${entry.name}` }] as const,
  );
  return { ...model, dataFolder: folder, tensors: new Map(tensors) };
}

/** The nearest folder that contains both: a session reads external data from one folder only. */
function commonFolder(a: string, b: string): string {
  const contains = (folder: string) => !relative(folder, b).split(sep).includes('..');
  let folder = a;
  while (!contains(folder)) folder = dirname(folder);
  return folder;
}

/** Computes the KL divergence between two policies. */
export class DivergenceMeter {
  private readonly session: Session;
  private readonly adapters: Feeds;
  private readonly vocabSize: number;

  private constructor(session: Session, { adapters, vocabSize }: Comparison) {
    this.session = session;
    this.adapters = adapters;
    this.vocabSize = vocabSize;
  }

  /** KL(policy || reference). @throws InputError when the two have different vocabularies */
  static async open(policy: Compared, reference: Compared, threads: number): Promise<DivergenceMeter> {
    return DivergenceMeter.of(policyComparison(policy, reference), threads);
  }

  /** KL(policy || the policy with 8-bit weights). */
  static async openQuantized(policy: Compared, threads: number): Promise<DivergenceMeter> {
    return DivergenceMeter.of(quantizedComparison(policy), threads);
  }

  private static async of(comparison: Comparison, threads: number): Promise<DivergenceMeter> {
    const { graph, folder } = comparison;
    return new DivergenceMeter(await Session.open(graph, { folder, threads }), comparison);
  }

  /**
   * The divergence at each response's tokens; 0 for a response without tokens.
   * @param onBatch called after each batch with the number of rows and tokens done; it may throw to stop
   * @returns one per row, in order
   */
  async measure(
    rows: TokenizedResponse[],
    onBatch?: (rows: number, tokens: number) => void,
  ): Promise<ResponseDivergence[]> {
    const results = rows.map(({ response }) => ({ kl: 0, tokens: response.length }));
    const written = rows.flatMap(({ response }, i) => (response.length > 0 ? [i] : []));
    const { groups, members } = groupByPrompt(
      written.map((i) => rows[i]),
      SCORING_TOKENS,
    );
    let [done, computed] = [rows.length - written.length, 0];
    for (const batch of planBatches(groups, SCORING_TOKENS)) {
      // The logits of both policies are in memory at the same time.
      const packed = packGroups(
        batch.map((i) => groups[i]),
        2 * this.vocabSize,
      );
      const { owners, targets: _, ...feeds } = packed.feeds;
      const { kl } = await this.session.run({ ...feeds, ...this.adapters });
      const sequences = batch.flatMap((i) => members[i]);
      for (const [i, value] of (kl.data as Float32Array).entries()) {
        const owner = Number((owners.data as BigInt64Array)[i]);
        // A divergence is never negative; what is below 0 is a rounding error of float32.
        if (owner >= 0) results[written[sequences[owner]]].kl += Math.max(0, value);
      }
      done += sequences.length;
      computed += packed.tokens;
      onBatch?.(done, computed);
    }
    return results;
  }

  async close(): Promise<void> {
    await this.session.close();
  }
}
