/** publish: copies the policy that a run ends with into the run's output folder. */
import { statSync } from 'node:fs';
import { cp, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Address } from '../artifacts/manifest.ts';
import { InputError } from '../data/errors.ts';
import { exists } from '../data/file-errors.ts';
import { writeTemplates } from '../engine/tokenizer/template-files.ts';
import { ADAPTER, MODEL, openPolicyArtifact, TOKENIZER_FILES } from './policy.ts';
import type { Activity } from './step.ts';

export interface PublishInput {
  policy: Address;
  /** The output folder. It becomes a PEFT adapter, or a model folder if all weights were trained. */
  folder: string;
  /** The origin of the policy, written to `selm.json`. */
  lineage: object;
}

/** The file that marks a folder as a run's output, which the next run may replace. */
const LINEAGE = 'selm.json';

/**
 * Copies the policy and its tokenizer files into the output folder.
 * @returns the folder
 * @throws InputError when the folder is a file, or is not empty and is not the output of a run
 */
export const publish: Activity<PublishInput, { folder: string }> = async ({ store }, { policy, folder, lineage }) => {
  const artifact = await store.open(policy);
  const { base, policy: opened } = await openPolicyArtifact(store, policy, TOKENIZER_FILES);
  const source = [MODEL, ADAPTER].map((name) => join(artifact, name)).find((path) => exists(path));
  if (exists(folder) && !statSync(folder).isDirectory())
    throw new InputError(`${folder} is a file: configure another output folder.`);
  if (exists(folder) && (await readdir(folder)).length > 0 && !exists(join(folder, LINEAGE))) {
    throw new InputError(`${folder} is not empty and is not the output of a run: configure another output folder.`);
  }
  await mkdir(dirname(folder), { recursive: true });
  const unfinished = `${folder}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished);
  if (source) await cp(source, unfinished, { recursive: true });
  writeTemplates(unfinished, opened);
  await writeFile(join(unfinished, LINEAGE), `${JSON.stringify({ policy, base, ...lineage }, null, 2)}\n`);
  await rm(folder, { recursive: true, force: true });
  await rename(unfinished, folder);
  return { folder };
};
