/** Released policies by name. */
import { existsSync } from 'node:fs';
import { isPolicyName } from '../artifacts/names.ts';
import { findRelease } from '../activities/release.ts';
import { openPolicyArtifact } from '../activities/policy.ts';
import { InputError } from '../data/errors.ts';
import type { Policy } from '../engine/protocol/jobs.ts';
import { openStore } from '../workers/store.ts';

/** The folders of the policy NAME@3 or NAME@latest. Undefined if the text has another form or is an existing path. */
export async function namedPolicy(text: string): Promise<Policy | undefined> {
  if (!isPolicyName(text) || existsSync(text)) return undefined;
  const store = await openStore();
  return (await openPolicyArtifact(store, (await findRelease(store, text)).policy)).policy;
}

/**
 * An adapter, given as a folder or by name, with the chat template of its run.
 * @throws InputError when the named policy is a model without an adapter
 */
export async function adapterPolicy(text: string): Promise<Pick<Policy, 'chatTemplate'> & { adapter: string }> {
  const named = await namedPolicy(text);
  if (!named) return { adapter: text };
  const { adapter, chatTemplate } = named;
  if (adapter === undefined) throw new InputError(`${text} is a model, not an adapter: give it as --model.`);
  return { adapter, ...(chatTemplate && { chatTemplate }) };
}

/** The folder of an adapter, given as a folder or by name. @throws InputError when the named policy is a model */
export const adapterFolder = async (text: string): Promise<string> => (await adapterPolicy(text)).adapter;
