/**
 * The task `rare`: a variation of the quickstart in which the start policy does what is wanted in about 1 of 100 sampled responses, and
 * nothing tells it that it comes closer. It was fixed before any method was run on it.
 */
import { join } from 'node:path';
import { LABELS, readLabels } from '../../activities/label.ts';
import { defineStep } from '../../activities/step.ts';
import { inputOf, type Address } from '../../artifacts/manifest.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { prepareQuickstart } from '../../examples/quickstart/prepare.ts';
import { instructions, type Instruction } from '../../examples/quickstart/task.ts';

/**
 * The share of the demonstrations that follow the instruction; 0.2 in the quickstart. Of 4800 responses of the start policy to training
 * prompts, none passed with a share of 0.02, 0.7 % with 0.07 and 2.0 % with 0.1.
 */
export const CAREFUL_SHARE = 0.07;

/** Whether the answer of most demonstrations, three things with commas, is wrong whatever else the instruction asks for. */
const isRare = ({ request }: Instruction) => request.count !== 'three' && request.separator !== 'commas';

/** The quickstart's instructions that ask neither for three things nor for commas. */
export function rareInstructions(): ReturnType<typeof instructions> {
  const { training, heldOut } = instructions();
  return { training: training.filter(isRare), heldOut: heldOut.filter(isRare) };
}

/** Writes the prompts to `folder`, and creates the start model there unless it exists. */
export const prepareRare = (folder: string) =>
  prepareQuickstart(folder, { ...rareInstructions(), carefulShare: CAREFUL_SHARE });

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
    await writeJsonl(join(folder, LABELS), scored);
    return { counts: {} };
  },
});
