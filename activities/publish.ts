/** publish: copies the policy that a run ends with into the run's output folder. */
import { cp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Address } from '../artifacts/manifest.ts';
import { filesIn, LINEAGE, outputProblem, sharedWithOutput } from '../config/output-folder.ts';
import { InputError } from '../data/errors.ts';
import { exists } from '../data/file-errors.ts';
import { TOKENIZER_FILES } from '../data/model-files.ts';
import { writeTemplates } from '../engine/tokenizer/template-files.ts';
import { ADAPTER, MODEL, openPolicyArtifact } from './policy.ts';
import type { Activity } from './step.ts';

export interface PublishInput {
  policy: Address;
  /** The output folder. It becomes a PEFT adapter, or a model folder if all weights were trained. */
  folder: string;
  /** The origin of the policy, written to `selm.json`. */
  lineage: object;
}

/**
 * Copies the policy and its tokenizer files into the output folder.
 * @returns the folder
 * @throws InputError when the folder is a file, has other files than those of a run's output, or has the policy's base model
 */
export const publish: Activity<PublishInput, { folder: string }> = async ({ store }, { policy, folder, lineage }) => {
  const artifact = await store.open(policy);
  const { base, policy: opened } = await openPolicyArtifact(store, policy, TOKENIZER_FILES);
  const source = [MODEL, ADAPTER].map((name) => join(artifact, name)).find((path) => exists(path));
  const unfinished = `${folder}.unfinished`;
  for (const replaced of [folder, unfinished]) {
    const problem = await outputProblem(replaced);
    if (problem !== undefined) throw new InputError(problem);
  }
  if (sharedWithOutput(folder, [opened.model]) !== undefined)
    throw new InputError(`${folder} has the model that the policy needs: configure another output folder.`);
  await mkdir(dirname(folder), { recursive: true });
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished);
  const writeLineage = (files?: string[]) =>
    writeFile(join(unfinished, LINEAGE), `${JSON.stringify({ policy, base, files, ...lineage }, null, 2)}\n`);
  // First, so that a folder that was left unfinished is known as one. Its files are not known yet.
  await writeLineage();
  if (source) await cp(source, unfinished, { recursive: true, dereference: true });
  writeTemplates(unfinished, opened);
  await writeLineage(await filesIn(unfinished));
  await rm(folder, { recursive: true, force: true });
  await rename(unfinished, folder);
  return { folder };
};
