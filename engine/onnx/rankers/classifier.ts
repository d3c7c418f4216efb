/** Reward models of the Llama family: the transformer with `score.weight` in place of the output layer. */
import * as ops from '../graph/ops.ts';
import { Graph } from '../graph/tensor.ts';
import { packedAttention } from '../model/attention.ts';
import { readLlamaConfig } from '../../model-files/llama-config.ts';
import { frozenWeights } from '../model/parameters.ts';
import { openTokenizer, type TokenizerFiles } from '../../tokenizer/tokenizer.ts';
import { transformer } from '../model/transformer.ts';
import { groupByPrompt, groupLength, type Group } from '../../training/groups.ts';
import { packedInputs, packTokens, planBatches, SCORING_TOKENS } from '../packing.ts';
import { int64, Session } from '../session.ts';
import { checkOneLabel, classifiedExchanges } from '../../rankers/classified.ts';
import { collectScores } from '../../rankers/context.ts';
import { openLlamaFolder, type LlamaFolder } from '../../model-files/model.ts';
import type { Answered, Scores, TooLong } from '../../protocol/jobs.ts';
import type { RewardModel } from './reward-model.ts';

/** A sequence classifier with one label: its logit at the last token is the reward. */
export class Classifier implements RewardModel {
  private readonly session: Session;
  private readonly model: LlamaFolder;
  private readonly tokenizer: TokenizerFiles;

  private constructor(session: Session, model: LlamaFolder, tokenizer: TokenizerFiles) {
    this.session = session;
    this.model = model;
    this.tokenizer = tokenizer;
  }

  /** @throws InputError when a file is missing, damaged or unsupported, or the model has more than one label */
  static async open(folder: string, threads: number): Promise<Classifier> {
    checkOneLabel(folder, readLlamaConfig(folder, 'SequenceClassification'));
    const model = openLlamaFolder(folder, 'SequenceClassification');
    const { config, dataFolder } = model;
    const tokenizer = openTokenizer(folder);
    const g = new Graph();
    const { ids, positions, blocks } = packedInputs(g);
    const last = g.input('last', 'int64', ['N']);
    const weight = frozenWeights(g, model);
    const hidden = transformer(g, config, { weight }, ids, positions, packedAttention(config, blocks));
    g.output('rewards', ops.gemm(g, ops.gather(g, hidden, last), weight('score.weight'), { transB: true }));
    return new Classifier(await Session.open(g, { folder: dataFolder, threads }), model, tokenizer);
  }

  async rewards(
    rows: Answered[],
    tooLong: TooLong,
    onBatch?: (answers: number, tokens: number) => void,
  ): Promise<Scores> {
    const { model, tokenizer } = this;
    const fitted = classifiedExchanges({ ...model, tokenizer }, rows, tooLong);
    const sequences = fitted.flatMap((row) =>
      splitPrompt(row.flatMap(({ exchange }) => (exchange ? [exchange.ids] : []))),
    );
    const { groups, members } = groupByPrompt(sequences, SCORING_TOKENS);
    const rewards = sequences.map(() => 0);
    let [done, computed] = [0, 0];
    for (const batch of planBatches(groups, SCORING_TOKENS)) {
      const packed = batch.map((i) => groups[i]);
      const { feeds, starts } = packTokens(packed);
      const last = lastTokens(packed, starts);
      const result = await this.session.run({ ...feeds, last: int64(last, [last.length]) });
      const owners = batch.flatMap((i) => members[i]);
      for (const [n, reward] of (result['rewards'].data as Float32Array).entries()) rewards[owners[n]] = reward;
      done += owners.length;
      computed += packed.reduce((total, group) => total + groupLength(group), 0);
      onBatch?.(done, computed);
    }
    return collectScores(fitted, rewards);
  }

  async close(): Promise<void> {
    await this.session.close();
  }
}

/** Splits off what all sequences begin with, which is computed once for them. At least one token of each is left. */
function splitPrompt(sequences: number[][]): { prompt: number[]; response: number[] }[] {
  if (sequences.length === 0) return [];
  const shortest = Math.min(...sequences.map(({ length }) => length)) - 1;
  const differing = sequences[0].findIndex((id, i) => i >= shortest || sequences.some((other) => other[i] !== id));
  return sequences.map((ids) => ({ prompt: ids.slice(0, differing), response: ids.slice(differing) }));
}

/** The index of each response's last token in the row of packTokens(). */
function lastTokens(groups: Group[], starts: number[]): number[] {
  return groups.flatMap(({ prompt, responses }, g) => {
    let end = starts[g] + prompt.length - 1;
    return responses.map(({ length }) => (end += length));
  });
}
