/** `selm label` with a model: answers on file become preferences, by the numbers that the models' authors' code gives. */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { selm, summaryOf } from '../command.ts';
import { changed, compared, expected, folderOf, rows } from '../engine/onnx/rankers/fixtures.ts';
import { startHub } from '../hub-server.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const path = (name: string) => join(folder, name);

const response = (text: string) => ({ text, token_ids: [1], finish_reason: 'stop', logp: -1 });

/** Answers as `selm sample` writes them. */
function sampled(name: string, answered: { prompt: string; answers: string[] }[]): string {
  const lines = answered.map(({ prompt, answers }, i) =>
    JSON.stringify({ id: `p${i}`, prompt, responses: answers.map(response) }),
  );
  writeFileSync(path(name), `${lines.join('\n')}\n`);
  return path(name);
}

function config(name: string, by: string, model: string): string {
  writeFileSync(path(name), `by: ${by}\nmodel: ${model}\n`);
  return path(name);
}

interface Preference {
  chosen: string;
  rejected: string;
  score_chosen: number;
  score_rejected: number;
}

async function label(args: string[], env: Record<string, string> = {}): Promise<Preference[]> {
  const out = path('preferences.jsonl');
  const ended = await selm(['label', ...args, '--out', out, '--json'], env);
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  expect(summaryOf<object>(ended)).toMatchObject({ rows: 3, preferences: 3 });
  return readFileSync(out, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Preference);
}

/** What the authors' scores make of the answers: an empty one is never chosen. */
function preferred(answered: { answers: string[] }[], scores: number[][]) {
  return answered.map(({ answers }, i) => {
    const ordered = answers.map((text, j) => ({ text, score: scores[i][j] })).sort((a, b) => b.score - a.score);
    const best = ordered.find(({ text }) => text !== '')!;
    const worst = ordered.at(-1)!;
    return {
      chosen: best.text,
      rejected: worst.text,
      score_chosen: expect.closeTo(best.score, 4) as number,
      score_rejected: expect.closeTo(worst.score, 4) as number,
    };
  });
}

test.each(['qwen2', 'onnx-reward'] as const)('reward-model: %s', async (name) => {
  const settings = config('reward.yaml', 'reward-model', folderOf(name));
  const preferences = await label(['--label-config', settings, '--in', sampled('rewarded.jsonl', rows)]);
  expect(preferences).toMatchObject(preferred(rows, expected[name].rewards));
});

test('answers that a reward model has no room for are counted, by the setting cut or without a judgement', async () => {
  const model = changed(path('short'), 'llama', { max_position_embeddings: 48 });
  const answers = sampled('long.jsonl', rows);
  const run = async (name: string, more: string) => {
    const settings = config(name, 'reward-model', model);
    writeFileSync(settings, `${readFileSync(settings, 'utf8')}${more}`);
    const args = ['label', '--label-config', settings, '--in', answers, '--out', path('long-out.jsonl')];
    const [told, ended] = [await selm(args, {}), await selm([...args, '--json'], {})];
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    return { told: told.stdout, summary: summaryOf<{ unjudged: number; counts: object }>(ended) };
  };
  const cut = await run('cut.yaml', '');
  expect(cut.summary).toMatchObject({ unjudged: 4, counts: { cut: 2, tooLong: 4 } });
  expect(cut.told).toContain("2 responses are longer than the labeler's model reads: their beginning was scored.");
  const left = await run('left.yaml', 'tooLong: unjudged\n');
  expect(left.summary).toMatchObject({ unjudged: 6, counts: { tooLong: 6 } });
  expect(left.told).toContain(
    "6 responses have no score: they, or their prompts, are longer than the labeler's model reads.",
  );
});

test("pairrm: a folder of llm_blender's own format", async () => {
  const settings = config('pairrm.yaml', 'pairrm', folderOf('pairrm'));
  const preferences = await label(['--label-config', settings, '--in', sampled('compared.jsonl', compared)]);
  expect(preferences).toMatchObject(preferred(compared, expected.pairrm.scores));
});

test('pairrm without settings is llm-blender/PairRM-hf from the hub', async () => {
  const model = folderOf('pairrm-hf');
  const files = Object.fromEntries(readdirSync(model).map((file) => [file, readFileSync(join(model, file))]));
  const { url } = await startHub({ 'models/llm-blender/PairRM-hf': { revision: 'main', files } }, path('hub'));
  const answers = sampled('compared.jsonl', compared);
  const env = { HF_ENDPOINT: url, HF_HUB_CACHE: path('hub') };
  const ended = await selm(['label', '--by', 'pairrm', '--in', answers, '--out', path('hub.jsonl')], env);
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  const preferences = readFileSync(path('hub.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Preference);
  expect(preferences).toMatchObject(preferred(compared, expected['pairrm-hf'].scores));
});

test('what is wrong with the model is one sentence', async () => {
  const wrong = path('wrong');
  cpSync(folderOf('llama'), wrong, { recursive: true });
  rmSync(join(wrong, 'model.safetensors'));
  const answers = sampled('rewarded.jsonl', rows);
  const run = (settings: string) =>
    selm(['label', '--label-config', settings, '--in', answers, '--out', path('none.jsonl')], {});
  for (const [settings, sentence] of [
    [
      config('missing.yaml', 'reward-model', wrong),
      /wrong\/model\.safetensors does not exist: download the complete model\.\n$/,
    ],
    [
      config('ranker.yaml', 'pairrm', folderOf('llama')),
      /asks for the architecture LlamaForSequenceClassification, which is not PairRM's: use .*\n$/,
    ],
    [
      config('nowhere.yaml', 'pairrm', './nowhere'),
      /label\.model ".*nowhere" is not a folder; give a model folder or a hub id "org\/name"\.\n$/,
    ],
  ] as const) {
    const { code, stderr } = await run(settings);
    expect(stderr).toMatch(sentence);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(code).toBe(2);
  }
});

test.each([
  ['--truncated', 'drop', 'truncated: drop'],
  ['--judge-max-tokens', '5', 'maxTokens: 5'],
])('%s beside a file of settings is refused, with what to write there', async (flag, value, line) => {
  const settings = config('beside.yaml', 'reward-model', folderOf('qwen2'));
  const ended = await selm(
    [
      'label',
      '--label-config',
      settings,
      flag,
      value,
      '--in',
      sampled('beside.jsonl', rows),
      '--out',
      path('none.jsonl'),
    ],
    {},
  );
  expect(ended).toMatchObject({
    code: 2,
    stderr: `selm: ${flag} cannot be given with --label-config: write "${line}" in ${settings}.\n`,
  });
});
