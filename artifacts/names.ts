/** Names of policies in a store, and their versions: `names/<name>/<version>` holds an address. */
import { InputError } from '../data/errors.ts';
import { isName, nameSchema } from '../data/paths.ts';
import { isAddress, type Address } from './manifest.ts';

/** Checks the name of a policy and returns it. @throws InputError when the name is not valid */
export function checkName(name: string): string {
  const { error } = nameSchema.safeParse(name);
  if (error) throw new InputError(`"${name}" is not a policy's name: ${error.issues[0].message}.`);
  return name;
}

const POLICY_NAME = /^([^@]+)@(latest|[1-9]\d*)$/;

/** Whether this is a version of a policy's name, `NAME@latest` or `NAME@3`, rather than a folder or a hub id. */
export const isPolicyName = (text: string): boolean => isName(POLICY_NAME.exec(text)?.[1] ?? '');

/** Parses `NAME@VERSION`. @param text for which isPolicyName() is true */
export function parsePolicyName(text: string): { name: string; version: number | 'latest' } {
  const [, name, version] = POLICY_NAME.exec(text)!;
  return { name, version: version === 'latest' ? version : Number(version) };
}

/** The version in the name of a file or object; undefined for other files (.DS_Store, .nfs…). */
export function versionOf(entry: string): number | undefined {
  return /^[1-9]\d{0,14}$/.test(entry) ? Number(entry) : undefined;
}

/** The address in a version's file. @throws InputError when the text is not an address */
export function addressOfVersion(place: string, text: string | undefined): Address | undefined {
  if (text === undefined || isAddress(text)) return text;
  throw new InputError(
    `${place} is damaged: it does not hold an artifact's address. Restore it from a backup, or remove it.`,
  );
}
