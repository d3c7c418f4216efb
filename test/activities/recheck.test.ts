/** Checks a run's prompts again, with other settings than those that the run was prepared with. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { prepare } from '../../activities/prepare.ts';
import { recheck, type RecheckInput } from '../../activities/recheck.ts';
import { InputError } from '../../data/errors.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { tinyLimits, tinyModel } from '../tiny-model.ts';
import { testContext } from './context.ts';

const context = testContext();
const model = tinyModel(join(context.folder, 'model'));
const file = (name: string) => join(context.folder, name);
// Each character is a token, and the template adds three tokens. The model's context has 256 tokens.
const prompt = (id: string, tokens: number) => ({ id, prompt: 'w'.repeat(tokens - 3) });
await writeJsonl(file('train.jsonl'), [prompt('short', 20), prompt('long', 100)]);
await writeJsonl(file('held-out.jsonl'), [prompt('held', 50)]);

const checks = { limits: tinyLimits, label: { by: 'regex', pattern: 'e' } } as const;
const { policy, heldOut, rounds } = await prepare(
  context,
  { ...checks, model, prompts: { train: file('train.jsonl'), heldOut: file('held-out.jsonl') }, rounds: 1, seed: 0 },
  {},
);
const sets = { policy, heldOut: heldOut.address, prompts: rounds[0].address };
const check = (changes: Partial<RecheckInput>) => recheck(context, { ...sets, ...checks, ...changes }, {});
const limits = (changes: object) => ({ limits: { ...tinyLimits, ...changes } });

test('prompts that fit are all counted; those of a round are not looked at where there is none yet', async () => {
  expect(await check({})).toEqual({ prompts: 3 });
  expect(await check(limits({ sample: { maxNewTokens: 156 } }))).toEqual({ prompts: 3 });
  expect(await check({ ...limits({ sample: { maxNewTokens: 200 } }), prompts: undefined })).toEqual({ prompts: 1 });
});

test.each([
  [
    'sample',
    limits({ sample: { maxNewTokens: 157 } }),
    /^Prompt \d of the round's prompts \("long"\) has 100 tokens, more than the 99 that sample\.maxNewTokens \(157\) .*\. A run keeps /,
  ],
  [
    'optimize',
    limits({ optimize: { maxPromptLength: 19, maxLength: 64 } }),
    /^Prompt 1 of the round's prompts .* more than the 19 of optimize\.maxPromptLength \(2 prompts/,
  ],
  [
    'evaluate',
    limits({ evaluate: { maxNewTokens: 207 } }),
    /^Prompt 1 of the held-out prompts \("held"\) has 50 tokens, more than the 49 that evaluate\.maxNewTokens \(207\)/,
  ],
  ['label', { label: { by: 'verifier' } } as const, /instruction_id_list/],
  ['secondJudge', { secondJudge: { by: 'verifier' } } as const, /instruction_id_list/],
])('what does not fit the settings of %s is named', async (_, changes, message) => {
  const refused = check(changes);
  await expect(refused).rejects.toBeInstanceOf(InputError);
  await expect(refused).rejects.toThrow(message);
});
