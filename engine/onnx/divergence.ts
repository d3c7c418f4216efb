/** KL divergence of one policy from another along responses: the exact sum over the vocabulary at every token. */
import { dirname, relative, resolve, sep } from 'node:path';
import * as ops from './graph/ops.ts';
import { Graph, type Tensor } from './graph/tensor.ts';
import { packedAttention } from './model/attention.ts';
import type { ModelConfig } from '../model-files/config.ts';
import type { Parameters } from './model/parameters.ts';
import { quantizedWeights } from './model/quantize.ts';
import { headLogits, transformer } from './model/transformer.ts';
import { InputError } from '../../data/errors.ts';
import { groupByPrompt, packedInputs, packGroups, planBatches, SCORING_TOKENS } from './packing.ts';
import { adapterFeeds, adapterInputs, policyParameters, type OpenPolicy } from './policy.ts';
import type { ResponseDivergence } from '../protocol/jobs.ts';
import { Session, type Feeds } from './session.ts';
import type { ModelFiles } from './model/model-files.ts';
import type { Device } from '../protocol/settings.ts';
import type { TokenizedResponse } from '../tokens/responses.ts';

type Compared = Pick<OpenPolicy, 'model' | 'adapter'>;

/** A model as a graph computes it. */
interface Network {
  config: ModelConfig;
  parameters: Parameters;
}

/** A graph that compares two networks, and what its session needs. */
interface Comparison {
  graph: Graph;
  vocabSize: number;
  /** The folder that the graph's external data lies in. */
  folder: string;
  device: Device;
  adapters: Feeds;
}

/** Names the reference policy's tensors in the graph. */
const REFERENCE = 'reference.';

/**
 * Takes packGroups()'s `ids`, `positions`, `blocks` and `rows`; gives `kl`, [K, C]: for each response token the divergence of the
 * two distributions over the vocabulary at its position.
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
 * P (log P - log Q) - P + Q. Summed over the vocabulary this is sum P (log P - log Q), because P and Q both sum to 1. No term is
 * negative, and an error of the normalization, which shifts log P - log Q by c, changes the sum by c^2 / 2 instead of c: small
 * divergences are not lost in float32's rounding.
 */
function divergenceTerms(g: Graph, p: Tensor, q: Tensor): Tensor {
  const [P, Q] = [ops.exp(g, p), ops.exp(g, q)];
  return ops.add(g, ops.sub(g, ops.mul(g, P, ops.sub(g, p, q)), P), Q);
}

/** Two policies: of one model folder, whose weights are in the graph once, or of two. */
export function policyComparison(policy: Compared, reference: Compared): Comparison {
  const { model } = policy;
  const { vocabSize } = model.config;
  if (reference.model.config.vocabSize !== vocabSize) {
    throw new InputError(
      `${model.folder} has a vocabulary of ${vocabSize} tokens, ${reference.model.folder} one of ${reference.model.config.vocabSize}: the KL divergence needs the same vocabulary; compare models with the same tokenizer.`,
    );
  }
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
  return { graph, vocabSize, folder, device: model.target.device, adapters };
}

/** A policy, and the same policy with its weights in 8 bits. */
function quantizedComparison({ model, adapter }: Compared): Comparison {
  const { config, dataFolder: folder, target } = model;
  const graph = divergenceGraph((g) => {
    const own = policyParameters(g, model, adapter);
    return [
      { config, parameters: own },
      { config, parameters: { ...own, quantized: quantizedWeights(g, model) } },
    ];
  });
  return { graph, vocabSize: config.vocabSize, folder, device: target.device, adapters: adapterFeeds(adapter) };
}

/** The model's tensors under names of their own, in files that are found from `folder`. */
function renamed(model: ModelFiles, folder: string): ModelFiles {
  const tensors = [...model.tensors].map(
    ([name, entry]) => [name, { ...entry, name: `${REFERENCE}${entry.name}` }] as const,
  );
  return { ...model, dataFolder: folder, tensors: new Map(tensors) };
}

/** The nearest folder that both folders lie in: a session reads external data from below one folder only. */
function commonFolder(a: string, b: string): string {
  const contains = (folder: string) => !relative(folder, b).split(sep).includes('..');
  let folder = a;
  while (!contains(folder)) folder = dirname(folder);
  return folder;
}

/** Measures how far one policy is from another. */
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
    const { graph, folder, device } = comparison;
    return new DivergenceMeter(await Session.open(graph, { folder, device, threads }), comparison);
  }

  /**
   * A response without tokens has a divergence of 0.
   * @param onBatch told after each pass how many rows and tokens are done
   * @returns in the order of the rows
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
      // Both policies' logits of a chunk exist at the same time.
      const packed = packGroups(
        batch.map((i) => groups[i]),
        2 * this.vocabSize,
      );
      const { owners, targets: _, ...feeds } = packed.feeds;
      const { kl } = await this.session.run({ ...feeds, ...this.adapters });
      const sequences = batch.flatMap((i) => members[i]);
      for (const [i, value] of (kl.data as Float32Array).entries()) {
        const owner = Number((owners.data as BigInt64Array)[i]);
        // What is below 0 here is float32's rounding: a divergence is not.
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
