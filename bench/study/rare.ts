/**
 * The task `rare`: a variation of the quickstart in which the start policy does what is wanted in about 1 of 100 sampled responses, and
 * there is no partial credit. Its rule was fixed before any method was run with the start policy that it gives.
 */
import { join } from 'node:path';
import { LABELS, readLabels } from '../../activities/label.ts';
import { defineStep } from '../../activities/step.ts';
import { inputOf, type Address } from '../../artifacts/manifest.ts';
import type { PromptRecord } from '../../data/records.ts';
import { startEngine } from '../../engine/backends.ts';
import { samplingSchema } from '../../engine/protocol/settings.ts';
import { prepareQuickstart, type Prepared } from '../../examples/quickstart/prepare.ts';
import { instructions, promptOf, type Instruction } from '../../examples/quickstart/task.ts';
import { ifevalAccuracies } from '../../labelers/verifier/accuracy.ts';

/**
 * Shares of demonstrations that follow the instruction; 0.2 in the quickstart. A training that rounds differently gives another policy, so
 * none of them is right on all machines: with 0.07, 0.7 % of the responses passed on one and 0.2 % on another.
 */
export const CAREFUL_SHARES = [0.05, 0.07, 0.1, 0.14];
/** The share of the start policy's sampled responses that pass, at least. */
export const PASSING = 0.007;
/** It is measured on so many responses to every sixth training prompt. */
const SAMPLES = 8;

/** Whether the answer of most demonstrations, three things with commas, is wrong whatever else the instruction asks for. */
const isRare = ({ request }: Instruction) => request.count !== 'three' && request.separator !== 'commas';

/** The quickstart's instructions that ask neither for three things nor for commas. */
export function rareInstructions(): ReturnType<typeof instructions> {
  const { training, heldOut } = instructions();
  return { training: training.filter(isRare), heldOut: heldOut.filter(isRare) };
}

/**
 * Writes the prompts, and creates start models unless they exist: with each share until {@link PASSING} of the responses pass.
 * @param folder gets a folder for each share
 */
export async function prepareRare(folder: string): Promise<Prepared> {
  const rare = rareInstructions();
  const prompts = rare.training.filter((_, i) => i % 6 === 0).map(promptOf);
  for (const carefulShare of CAREFUL_SHARES) {
    const prepared = await prepareQuickstart(join(folder, `careful-${carefulShare}`), { ...rare, carefulShare });
    const passing = await passRate(prepared.model, prompts);
    console.error(
      `rare: of demonstrations ${(100 * carefulShare).toFixed(0)} % follow the instruction, of the start policy's responses ${(100 * passing).toFixed(1)} %.`,
    );
    if (passing >= PASSING) return prepared;
  }
  throw new Error(
    `No start model follows the instruction in ${(100 * PASSING).toFixed(1)} % of its responses: add a larger share to CAREFUL_SHARES.`,
  );
}

/** The share of a model's responses, sampled at temperature 1, that follow all instructions of their prompt. */
async function passRate(model: string, prompts: PromptRecord[]): Promise<number> {
  const settings = samplingSchema.parse({
    samplesPerPrompt: SAMPLES,
    temperature: 1,
    maxNewTokens: 24,
    batchSize: 256,
  });
  const engine = startEngine();
  try {
    const { responses } = await engine.run('sample', { policy: { model }, prompts, settings, seed: 0 });
    const answered = prompts.flatMap((prompt, i) => responses[i].map(() => prompt));
    const texts = responses.flat().map(({ text }) => text);
    return ifevalAccuracies(answered, texts).strict.promptLevel;
  } finally {
    await engine.close();
  }
}

/** Labels of a shard by which a response scores 1 if it passes, else 0: following some of the constraints counts for nothing. */
export const passOrFail = defineStep({
  name: 'passOrFail',
  kind: 'labels',
  reproducible: true,
  recipe: async ({ labels }: { labels: Address }, { store }) => ({
    parameters: {},
    // `prefer` finds the responses by this name.
    inputs: { labels, responses: inputOf(await store.manifest(labels), 'responses') },
    seed: 0,
  }),
  computedWith: () => undefined,
  run: async ({ inputs: { labels } }, { context: { store }, folder }) => {
    const rows = await readLabels(store, labels);
    const scored = rows.map(({ candidates, ...row }) => ({
      ...row,
      candidates: candidates.map(({ index, pass }) => ({ index, score: Number(pass), pass })),
    }));
    await folder.writeRows(LABELS, scored);
    return { counts: {} };
  },
});
