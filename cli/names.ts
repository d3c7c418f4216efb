/** Policies by the names that runs give them. */
import { existsSync } from 'node:fs';
import { findRelease, isPolicyName } from '../activities/release.ts';
import { openPolicyArtifact } from '../activities/policy.ts';
import { InputError } from '../data/errors.ts';
import type { Policy } from '../engine/jobs.ts';
import { openStore } from '../workers/store.ts';

/** The folders of the policy NAME@3 or NAME@latest; none where the text is something else. */
export async function namedPolicy(text: string): Promise<Policy | undefined> {
  if (!isPolicyName(text) || existsSync(text)) return undefined;
  const store = await openStore();
  return (await openPolicyArtifact(store, (await findRelease(store, text)).policy)).policy;
}

/** The folder of an adapter, given as such or by name. @throws InputError when the named policy is a whole model */
export async function adapterFolder(text: string): Promise<string> {
  const named = await namedPolicy(text);
  if (!named) return text;
  if (named.adapter === undefined) throw new InputError(`${text} is a whole model, no adapter: give it as --model.`);
  return named.adapter;
}
