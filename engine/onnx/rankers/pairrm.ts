/** PairRM (arXiv 2306.02561), the ranker of the SELM paper: compares candidates in pairs, in both orders. */
import * as ops from '../graph/ops.ts';
import { Graph, type Tensor } from '../graph/tensor.ts';
import { frozenWeights } from '../model/parameters.ts';
import { openModelWeights } from '../../model-files/weights.ts';
import { planByLength } from '../packing.ts';
import { int64, Session } from '../session.ts';
import { deberta, debertaShapes } from './deberta.ts';
import { locateTensors } from '../../model-files/model.ts';
import { readPairRmConfig, type PairRmConfig } from '../../rankers/deberta-config.ts';
import { PairTokenizer } from '../../rankers/pair-text.ts';
import { encodePairs, logitsOf, type Pair } from '../../rankers/pairs.ts';
import type { Answered } from '../../protocol/jobs.ts';

/** Most tokens of a batch, padding included: about those of one pair of the largest length. */
const BATCH_TOKENS = 2048;

const ENCODER = 'pretrained_model.';

/** An opened PairRM. */
export class PairRm {
  private readonly session: Session;
  private readonly tokenizer: PairTokenizer;

  private constructor(session: Session, tokenizer: PairTokenizer) {
    this.session = session;
    this.tokenizer = tokenizer;
  }

  /** @throws InputError when a file is missing, damaged or unsupported */
  static async open(folder: string, threads: number): Promise<PairRm> {
    const config = readPairRmConfig(folder);
    const tokenizer = new PairTokenizer(folder, config);
    const { hiddenSize } = config;
    const files = locateTensors(
      folder,
      openModelWeights(folder),
      new Map([
        ...debertaShapes(config, ENCODER),
        ['head_layer.1.weight', [hiddenSize, 2 * hiddenSize]],
        ['head_layer.1.bias', [hiddenSize]],
        ['head_layer.4.weight', [config.tasks, hiddenSize]],
        ['head_layer.4.bias', [config.tasks]],
      ]),
    );
    const g = new Graph();
    buildPairRm(g, config, frozenWeights(g, files));
    return new PairRm(await Session.open(g, { folder: files.dataFolder, threads }), tokenizer);
  }

  /**
   * Compares every ordered pair of a prompt's candidates (`answers`).
   * @param onBatch called after each batch with the number of pairs and tokens done; what it throws ends the comparison
   * @returns for each row the logits [first][second], positive where the first candidate is better, 0 on the diagonal; and the number
   *   of candidates that the model read only in part, or whose prompt it read only in part
   */
  async compare(
    rows: Answered[],
    onBatch?: (pairs: number, tokens: number) => void,
  ): Promise<{ logits: number[][][]; cut: number }> {
    const { pairs, cut } = encodePairs(rows, this.tokenizer);
    const logits: number[] = [];
    let [done, computed] = [0, 0];
    for (const batch of planByLength(
      pairs.map(({ ids }) => ids.length),
      BATCH_TOKENS,
    )) {
      const compared = batch.map((i) => pairs[i]);
      const results = await this.run(compared);
      for (const [n, i] of batch.entries()) logits[i] = results[n];
      done += compared.length;
      computed += compared.reduce((total, { ids }) => total + ids.length, 0);
      onBatch?.(done, computed);
    }
    return { logits: logitsOf(rows, pairs, logits), cut };
  }

  private async run(pairs: Pair[]): Promise<Float32Array> {
    const width = Math.max(...pairs.map(({ ids }) => ids.length));
    const ids = new BigInt64Array(pairs.length * width);
    const judged: number[] = [];
    for (const [g, pair] of pairs.entries()) {
      for (const [i, id] of pair.ids.entries()) ids[g * width + i] = BigInt(id);
      for (const at of pair.judged) judged.push(g * width + at);
    }
    const { logits } = await this.session.run({
      ids: int64(ids, [pairs.length, width]),
      lengths: int64(
        pairs.map((pair) => pair.ids.length),
        [pairs.length, 1],
      ),
      judged: int64(judged, [pairs.length, 3]),
    });
    return logits.data as Float32Array;
  }

  async close(): Promise<void> {
    await this.session.close();
  }
}

/**
 * Builds the graph for G pairs. Inputs, int64: `ids` [G, S]; `lengths` [G, 1]; `judged` [G, 3], the rows of the prefix tokens in
 * [G*S]. Output: `logits` [G].
 */
function buildPairRm(g: Graph, config: PairRmConfig, weight: (name: string) => Tensor): void {
  const { hiddenSize, tasks, sourceMaxLength, candidateMaxLength } = config;
  const ids = g.input('ids', 'int64', ['G', 'S']);
  const lengths = g.input('lengths', 'int64', ['G', 1]);
  const judged = g.input('judged', 'int64', ['G', 3]);
  const maxLength = sourceMaxLength + 2 * candidateMaxLength;
  const hidden = deberta(g, config, (name) => weight(`${ENCODER}${name}`), ids, lengths, maxLength);
  const [source, first, second] = ops.split(g, ops.gather(g, hidden, judged), [1, 1, 1], 1);
  const linear = (x: Tensor, name: string) =>
    ops.gemm(g, x, weight(`${name}.weight`), { transB: true, c: weight(`${name}.bias`) });
  const score = (candidate: Tensor) => {
    const joined = ops.reshape(g, ops.concat(g, [source, candidate], 2), ['G', 2 * hiddenSize]);
    const inner = ops.tanh(g, linear(joined, 'head_layer.1'));
    return linear(inner, 'head_layer.4');
  };
  const difference = ops.sub(g, score(first), score(second));
  g.output('logits', ops.reduceMean(g, ops.reshape(g, difference, ['G', tasks]), 1, false));
}
