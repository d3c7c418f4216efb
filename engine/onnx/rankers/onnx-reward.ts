/** Reward models in ONNX format, with their tokenizer in the same folder. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError, located } from '../../../data/errors.ts';
import { findJson } from '../../model-files/json-file.ts';
import { openTokenizer, type TokenizerFiles } from '../../tokenizer/tokenizer.ts';
import { planByLength } from '../packing.ts';
import ort from '../../onnxruntime.ts';
import { int64, type Feeds } from '../session.ts';
import { collectScores, fit, type Fitted } from '../../rankers/context.ts';
import { encodeExchange, type Exchange } from '../../rankers/exchange.ts';
import type { Answered, Scores, TooLong } from '../../protocol/jobs.ts';
import type { RewardModel } from './reward-model.ts';

/** Most tokens of a batch, padding included. */
const BATCH_TOKENS = 2048;

/** The inputs that are supported. */
const INPUTS = ['input_ids', 'attention_mask', 'token_type_ids'];

/** The folder's ONNX file, if it has one: at its top, or in `onnx/` as in exports on the Hugging Face hub. */
export function findOnnx(folder: string): string | undefined {
  return ['model.onnx', 'onnx/model.onnx'].map((name) => join(folder, name)).find((file) => existsSync(file));
}

/** A reward model in ONNX format, whose first output is the reward, float32 [batch, 1]. */
export class OnnxReward implements RewardModel {
  private readonly session: ort.InferenceSession;
  private readonly file: string;
  private readonly tokenizer: TokenizerFiles;
  private readonly padId: number;
  /** Most tokens that the model reads. */
  private readonly limit: number;

  private constructor(
    session: ort.InferenceSession,
    file: string,
    tokenizer: TokenizerFiles,
    { padId, limit }: { padId: number; limit: number },
  ) {
    this.session = session;
    this.file = file;
    this.tokenizer = tokenizer;
    this.padId = padId;
    this.limit = limit;
  }

  /** @throws InputError when a file is missing or damaged, or the model has other inputs or outputs */
  static async open(folder: string, file: string, threads: number): Promise<OnnxReward> {
    const tokenizer = openTokenizer(folder);
    const session = await openSession(file, threads);
    for (const input of session.inputMetadata) {
      if (INPUTS.includes(input.name) && input.isTensor && input.type === 'int64') continue;
      const kind = input.isTensor ? input.type : 'no tensor';
      throw new InputError(
        `${file} has an input "${input.name}" (${kind}); supported are ${INPUTS.join(', ')} as int64: export it with these.`,
      );
    }
    const [logits] = session.outputMetadata;
    const columns = logits.isTensor ? logits.shape.at(-1) : undefined;
    if (
      !logits.isTensor ||
      logits.type !== 'float32' ||
      logits.shape.length !== 2 ||
      (typeof columns === 'number' && columns !== 1)
    ) {
      throw notOneNumber(file, logits.isTensor ? `${logits.type} [${logits.shape.join(', ')}]` : 'no tensor');
    }
    const config = findJson(join(folder, 'config.json')) ?? {};
    const fromConfig = config['pad_token_id'];
    const padId =
      typeof fromConfig === 'number' ? fromConfig : tokenizer.tokenizer.tokenToId(tokenizer.special['pad_token'] ?? '');
    return new OnnxReward(session, file, tokenizer, { padId: padId ?? 0, limit: limitOf(tokenizer, config) });
  }

  async rewards(
    rows: Answered[],
    tooLong: TooLong,
    onBatch?: (answers: number, tokens: number) => void,
  ): Promise<Scores> {
    const fitted = rows.map(({ id, prompt, answers }) =>
      located(`Prompt "${id}"`, () => answers.map((answer) => this.fitted(prompt, answer, tooLong))),
    );
    const exchanges = fitted.flat().flatMap(({ exchange }) => exchange ?? []);
    const rewards = exchanges.map(() => 0);
    let [done, computed] = [0, 0];
    const lengths = exchanges.map(({ ids }) => ids.length);
    for (const batch of planByLength(lengths, BATCH_TOKENS)) {
      const results = await this.compute(this.feeds(batch.map((i) => exchanges[i])));
      const { data, dims } = results[this.session.outputNames[0]];
      if (dims.length !== 2 || dims[0] !== batch.length || dims[1] !== 1)
        throw notOneNumber(this.file, `[${dims.join(', ')}]`);
      for (const [n, reward] of (data as Float32Array).entries()) rewards[batch[n]] = reward;
      done += batch.length;
      computed += batch.reduce((total, i) => total + lengths[i], 0);
      onBatch?.(done, computed);
    }
    return collectScores(fitted, rewards);
  }

  /** @throws InputError when the tokenizer has tokens that the model does not have */
  private async compute(feeds: Feeds): Promise<ort.InferenceSession.OnnxValueMapType> {
    try {
      return await this.session.run(feeds);
    } catch (error) {
      if (!(error as Error).message.includes('out of data bounds')) throw error;
      throw new InputError(
        `${this.file} has no embedding for a token of its tokenizer.json, or for the pad_token_id in its config.json: ` +
          "use the model's own files.",
        { cause: error },
      );
    }
  }

  private fitted(prompt: Answered['prompt'], answer: string, tooLong: TooLong): Fitted {
    const encode = (text: string) => encodeExchange(this.tokenizer, prompt, text);
    return fit(encode(answer), () => encode(''), this.limit, tooLong);
  }

  private feeds(exchanges: Exchange[]): Feeds {
    const shape = [exchanges.length, Math.max(...exchanges.map(({ ids }) => ids.length))];
    const padded = (values: (exchange: Exchange) => number[], padding: number) =>
      int64(
        exchanges.flatMap((exchange) => {
          const row = values(exchange);
          return [...row, ...Array<number>(shape[1] - row.length).fill(padding)];
        }),
        shape,
      );
    const all: Feeds = {
      input_ids: padded(({ ids }) => ids, this.padId),
      attention_mask: padded(({ ids }) => ids.map(() => 1), 0),
      token_type_ids: padded(({ typeIds }) => typeIds, 0),
    };
    return Object.fromEntries(this.session.inputNames.map((name) => [name, all[name]]));
  }

  async close(): Promise<void> {
    await this.session.release();
  }
}

/** transformers writes a number of about this size for a tokenizer without a limit. */
const UNLIMITED = 1e20;

/** The tokenizer's limit; without one, the number of the model's learned positions, if config.json says that it has them. */
function limitOf({ config: { model_max_length: own } }: TokenizerFiles, config: Record<string, unknown>): number {
  if (typeof own === 'number' && own < UNLIMITED) return own;
  const { max_position_embeddings: positions, model_type: type, position_biased_input: absolute = true } = config;
  if (typeof positions !== 'number' || absolute === false) return Infinity;
  // RoBERTa's positions start after that of the padding token.
  const before =
    typeof type === 'string' && /roberta|camembert/.test(type) ? 1 + Number(config['pad_token_id'] ?? 1) : 0;
  return positions - before;
}

async function openSession(file: string, threads: number): Promise<ort.InferenceSession> {
  try {
    return await ort.InferenceSession.create(file, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      enableMemPattern: false,
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
    });
  } catch (error) {
    throw new InputError(`${file} cannot be opened (${(error as Error).message}): export or download it again.`);
  }
}

const notOneNumber = (file: string, what: string) =>
  new InputError(
    `The first output of ${file} is ${what}, not one float32 number per candidate ([batch, 1]): use a reward model.`,
  );
