/** Policies by the names that runs give them: NAME@3, NAME@latest. */
import { readRelease, type Release } from '../activities/release.ts';
import { openPolicyArtifact } from '../activities/policy.ts';
import { InputError } from '../data/errors.ts';
import type { Policy } from '../engine/jobs.ts';
import { openStore } from '../workers/places.ts';

const NAMED = /^([\w.-]+)@(latest|\d+)$/;

/** Whether this names a version of a policy, and not a folder or a hub id. */
export const isPolicyName = (text: string) => NAMED.test(text);

/** The folders of a named policy. @throws InputError when there is no such name or version */
export async function namedPolicy(text: string): Promise<Policy> {
  const [, name, version] = NAMED.exec(text)!;
  const store = openStore();
  const address = await store.resolveName(name, version === 'latest' ? version : Number(version));
  if (!address) throw new InputError(`There is no policy "${text}": selm policies lists what there is.`);
  return (await openPolicyArtifact(store, (await readRelease(store, address)).policy)).policy;
}

export interface NamedRelease {
  name: string;
  version: number;
  release: Release;
}

/** All versions of all names, or of one. */
export async function listReleases(name?: string): Promise<NamedRelease[]> {
  const store = openStore();
  const names = (await store.listNames()).filter((entry) => name === undefined || entry.name === name);
  return Promise.all(names.map(async (entry) => ({ ...entry, release: await readRelease(store, entry.address) })));
}
