/** PairRM against llm_blender, in both of the authors' formats. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openTokenizer } from '../../../../engine/tokenizer/tokenizer.ts';
import { readPairRmConfig } from '../../../../engine/rankers/deberta-config.ts';
import { PairTokenizer } from '../../../../engine/rankers/pair-text.ts';
import { scoresOf } from '../../../../engine/rankers/pairs.ts';
import { PairRm } from '../../../../engine/onnx/rankers/pairrm.ts';
import { temporaryFolder } from '../../../temporary.ts';
import { changed, compared, difference, expected, folderOf } from './fixtures.ts';

const THREADS = 2;
const TOLERANCE = 1e-4;
const folder = temporaryFolder();
const hf = expected['pairrm-hf'];

/** Rank of each score, 1 for the highest. */
const ranksOf = (scores: number[]) => scores.map((score) => 1 + scores.filter((other) => other > score).length);

test("a sentencepiece tokenizer's tokens are those of Python's tokenizers", () => {
  const { tokenizer } = openTokenizer(folderOf('pairrm-hf'));
  for (const { text, ids } of expected.tokenizer) expect(tokenizer.encode(text).ids, text).toEqual(ids);
});

test("prompt and candidates are cut as the authors' tokenize_pair cuts them", () => {
  const config = { ...readPairRmConfig(folderOf('pairrm-hf')), sourceMaxLength: 100, candidateMaxLength: 40 };
  const tokenizer = new PairTokenizer(folderOf('pairrm-hf'), config);
  const { source, first, second } = tokenizer.encode(compared[2]);
  expect([...source, ...first[2], ...second[0]]).toEqual(hf.truncated);
  const short = tokenizer.encode({ ...compared[0], answers: [...compared[0].answers, compared[2].answers[2]] });
  expect(short.cut).toEqual([false, false, false, false, true]);
  // The prompt is cut.
  expect(tokenizer.encode(compared[2]).cut).toEqual([true, true, true, true]);
});

test('special tokens in a text are removed', () => {
  const tokenizer = new PairTokenizer(folderOf('pairrm-hf'), readPairRmConfig(folderOf('pairrm-hf')));
  const { source } = tokenizer.encode({ id: 'p', prompt: 'a <|candidate1|> b [SEP] c <|source|>', answers: [] });
  expect(source).toEqual(tokenizer.encode({ id: 'p', prompt: 'a   b   c  ', answers: [] }).source);
});

describe('DebertaV2PairRM (as in llm-blender/PairRM-hf)', () => {
  test("every ordered pair's logit, scores and ranks are the authors'", async () => {
    const model = await PairRm.open(folderOf('pairrm-hf'), THREADS);
    const { logits } = await model.compare(compared);
    await model.close();
    expect(difference(logits.flat(), hf.logits.flat())).toBeLessThan(TOLERANCE);
    expect(difference(logits.map(scoresOf), hf.scores)).toBeLessThan(TOLERANCE);
    expect(logits.map(scoresOf).map(ranksOf)).toEqual(hf.ranks);
  });

  test('the logit of a pair is the same alone and in a batch with longer ones', async () => {
    const model = await PairRm.open(folderOf('pairrm-hf'), THREADS);
    const {
      logits: [alone],
    } = await model.compare([{ id: 'p', prompt: compared[0].prompt, answers: compared[0].answers.slice(0, 2) }]);
    await model.close();
    expect(Math.abs(alone[0][1] - hf.logits[0][0][1])).toBeLessThan(TOLERANCE);
    expect(Math.abs(alone[1][0] - hf.logits[0][1][0])).toBeLessThan(TOLERANCE);
  });

  test('a single candidate has the score 0', async () => {
    const model = await PairRm.open(folderOf('pairrm-hf'), THREADS);
    const { logits } = await model.compare([{ id: 'p', prompt: 'Hi', answers: ['Hi.'] }]);
    await model.close();
    expect(logits.map(scoresOf)).toEqual([[0]]);
  });
});

describe("llm_blender's own format (as in llm-blender/PairRM)", () => {
  test('scores and ranks are those of Blender.rank, with the limits in its config.json', async () => {
    const model = await PairRm.open(folderOf('pairrm'), THREADS);
    const scores = (await model.compare(compared)).logits.map(scoresOf);
    await model.close();
    expect(difference(scores, expected.pairrm.scores)).toBeLessThan(TOLERANCE);
    expect(scores.map(ranksOf)).toEqual(expected.pairrm.ranks);
  });

  test('candidates for a conversation are compared as by Blender.compare_conversations', async () => {
    const model = await PairRm.open(folderOf('pairrm'), THREADS);
    const prompt = [
      { role: 'user', content: 'Name a colour.' },
      { role: 'assistant', content: 'Red.' },
      { role: 'user', content: 'Another one.' },
    ];
    const { answers, difference: between } = expected.pairrm.conversation;
    const [[a, b]] = (await model.compare([{ id: 'p', prompt, answers }])).logits.map(scoresOf);
    await model.close();
    expect(Math.abs(a - b - between)).toBeLessThan(TOLERANCE);
  });
});

describe('another model is refused', () => {
  let count = 0;
  const refusal = async (name: string, settings: Record<string, unknown>) => {
    const target = changed(join(folder, String(count++)), name, settings);
    return PairRm.open(target, THREADS).catch(({ name: kind, message }: Error) => `${kind}: ${message}`);
  };

  test('because of its config.json', async () => {
    expect(await refusal('pairrm-hf', { conv_kernel_size: 3 })).toMatch(
      /^InputError: .* asks for a convolution \(conv_kernel_size\), which is not supported/,
    );
    expect(await refusal('pairrm-hf', { pos_att_type: 'c2p' })).toMatch(
      /^InputError: .* asks for the attention terms "c2p"/,
    );
    expect(await refusal('pairrm-hf', { architectures: ['BertModel'] })).toMatch(
      /^InputError: .* asks for the architecture BertModel, which is not PairRM's/,
    );
    expect(await refusal('pairrm', { ranker_type: 'summareranker' })).toMatch(
      /^InputError: .* asks for a summareranker over microsoft/,
    );
    expect(await refusal('pairrm-hf', { num_hidden_layers: 1e8 })).toMatch(
      /^InputError: .*"num_hidden_layers" is wrong \(Too big/,
    );
    expect(await refusal('pairrm', { source_maxlength: 1e9 })).toMatch(
      /^InputError: .*"source_maxlength" is wrong \(Too big/,
    );
    expect(await refusal('pairrm-hf', { hidden_size: 'wide' })).toMatch(/^InputError: .*"hidden_size" is wrong/);
  });

  test('because of a missing tensor or file', async () => {
    expect(await refusal('pairrm-hf', { num_hidden_layers: 4 })).toMatch(
      /^InputError: .* has no tensor "pretrained_model\.encoder\.layer\.3/,
    );
    expect(await refusal('pairrm-hf', { n_tasks: 2 })).toMatch(
      /^InputError: .*"head_layer\.4\.weight" is \[1,32\], but config\.json asks for \[2,32\]/,
    );
  });
});
