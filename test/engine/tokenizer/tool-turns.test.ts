/** Rows with tool calls, and prompts that end with the assistant, against TRL: test/fixtures/tool-turns/make_tool_turns.py. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { writeJsonl } from '../../../data/jsonl.ts';
import { readPrompts } from '../../../data/prompts.ts';
import { readDemonstrations, readPreferences } from '../../../data/readers.ts';
import { readModelConfig } from '../../../engine/model-files/config.ts';
import { loadTokenizer, type ModelTokenizer } from '../../../engine/tokenizer/tokenizer.ts';
import { tokenizeDemonstration } from '../../../engine/tokens/demonstrations.ts';
import { tokenizePreferences } from '../../../engine/tokens/preferences.ts';
import { tokenizePrompt } from '../../../engine/tokens/prompts.ts';
import { temporaryFolder } from '../../temporary.ts';

interface Case {
  model: string;
  /** Name of the row. */
  row: string;
}
interface Expected {
  models: Record<
    string,
    {
      template: string;
      /** A part of the template that is left out. */
      without: string;
      added: { content: string }[];
      eos_token: string;
      bos_token?: string;
      eos_token_id: number[];
      vocab_size: number;
      arguments?: Record<string, unknown>;
    }
  >;
  rows: Record<string, object>;
  preferences: (Case & { prompt_ids: number[]; chosen_ids: number[]; rejected_ids: number[] })[];
  prompts: (Case & { ids: number[] })[];
  /** The first token of each turn, and the one after it. */
  conversations: (Case & { ids: number[]; turns: [number, number][] })[];
}

const fixtures = new URL('../../fixtures/', import.meta.url).pathname;
const unzipped = <T>(path: string) => JSON.parse(gunzipSync(readFileSync(join(fixtures, path))).toString()) as T;
const expected = unzipped<Expected>('tool-turns/expected.json.gz');
const { templates } = unzipped<{ templates: Record<string, string> }>('chat-templates/expected.json.gz');

const home = temporaryFolder();
const LIMITS = { maxLength: 4096, maxPromptLength: 4096 };

function open(model: string) {
  const { template, without, added, eos_token, bos_token, ...config } = expected.models[model];
  const { eos_token_id, vocab_size, arguments: given } = config;
  const folder = join(home, model);
  mkdirSync(folder, { recursive: true });
  const write = (file: string, content: object) => writeFileSync(join(folder, file), JSON.stringify(content));
  const base = JSON.parse(
    readFileSync(join(fixtures, 'chat-templates/cases/tools-column/config.json'), 'utf8'),
  ) as object;
  write('config.json', { ...base, vocab_size, eos_token_id, max_position_embeddings: LIMITS.maxLength });
  const tokenizer = JSON.parse(readFileSync(join(fixtures, 'tool-turns/tokenizer.json'), 'utf8')) as object;
  write('tokenizer.json', { ...tokenizer, added_tokens: added });
  write('tokenizer_config.json', { tokenizer_class: 'PreTrainedTokenizerFast', eos_token, bos_token });
  const opened = loadTokenizer(folder, {
    template: templates[template].replace(without, ''),
    ...(given && { arguments: given }),
  });
  return { model: { folder, config: readModelConfig(folder) }, tokenizer: () => opened };
}

const file = async (name: string) => {
  const path = join(home, 'rows.jsonl');
  await writeJsonl(path, [expected.rows[name]]);
  return path;
};

/** Differences are easier to read in texts. */
const written = (tokenizer: ModelTokenizer, ids: number[]) =>
  ids.map((id) => Buffer.from(tokenizer.tokenBytes(id)).toString('latin1'));

describe.each(Object.keys(expected.models))('%s', (model) => {
  const policy = open(model);
  const tokenizer = policy.tokenizer();
  const of = <C extends Case>(cases: C[]) => cases.filter((each) => each.model === model);

  test.each(of(expected.preferences))(
    'a preference with $row',
    async ({ row, prompt_ids, chosen_ids, rejected_ids }) => {
      const { rows: read } = await readPreferences(await file(row));
      const { rows } = await tokenizePreferences(policy, read, LIMITS, { reference: false });
      const [{ chosen, rejected }] = rows;
      expect(rejected.prompt).toEqual(chosen.prompt);
      expect([chosen.prompt, chosen.response, rejected.response].map((ids) => written(tokenizer, ids))).toEqual(
        [prompt_ids, chosen_ids, rejected_ids].map((ids) => written(tokenizer, ids)),
      );
      expect([chosen.prompt, chosen.response, rejected.response]).toEqual([prompt_ids, chosen_ids, rejected_ids]);
    },
  );

  test.each(of(expected.prompts))('a prompt that $row', async ({ row, ids }) => {
    const [prompt] = await readPrompts(await file(row));
    const tokens = tokenizePrompt(prompt, tokenizer, policy.model.config, { maxNewTokens: 8 });
    expect(written(tokenizer, tokens)).toEqual(written(tokenizer, ids));
  });

  test.each(of(expected.conversations))('a conversation with $row', async ({ row, ids, turns }) => {
    const [demonstration] = await readDemonstrations(await file(row));
    const { prompt, response, trained } = tokenizeDemonstration(policy, demonstration, LIMITS).tokens!;
    expect(written(tokenizer, [...prompt, ...response])).toEqual(written(tokenizer, ids));
    const isTrained = [...prompt.map(() => false), ...trained!];
    const all = isTrained.map((each, i) => (each ? tokenizer.decode([ids[i]]) || written(tokenizer, [ids[i]])[0] : ''));
    // The last turn also has the token that ends it, which TRL does not have where the template does not write it.
    const last = turns.at(-1)![0];
    const inTurn = (i: number) => i >= last || turns.some(([start, end]) => i >= start && i < end);
    const right = ids.map((id, i) => (inTurn(i) ? tokenizer.decode([id]) || written(tokenizer, [id])[0] : ''));
    expect(all.join('|')).toEqual(right.join('|'));
    expect(isTrained).toEqual(ids.map((_, i) => inTurn(i)));
  });
});
