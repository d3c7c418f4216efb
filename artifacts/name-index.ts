/** The index of names: publishes, resolves and lists their versions. */
import { inTurns } from '../data/in-turns.ts';
import type { Address } from './manifest.ts';
import { addressOfVersion, checkName, versionOf } from './names.ts';
import type { NamedVersion } from './store.ts';
import type { Texts } from './texts.ts';

const pathOf = (name: string, version: number) => `names/${name}/${version}`;

/** As `ArtifactStore.publishName`. */
export async function publishName(texts: Texts, name: string, address: Address): Promise<number> {
  checkName(name);
  for (;;) {
    const last = (await versionsOf(texts, name)).at(-1) ?? 0;
    if (last > 0 && (await texts.read(pathOf(name, last))) === address) return last;
    // If another process has just published this version, the next one is tried.
    if (await texts.writeOnce(pathOf(name, last + 1), address)) return last + 1;
  }
}

async function versionsOf(texts: Texts, name: string): Promise<number[]> {
  const entries = await texts.list(`names/${name}`, 1);
  return entries.flatMap((entry) => versionOf(entry) ?? []).sort((a, b) => a - b);
}

/** As `ArtifactStore.resolveName`. */
export async function resolveName(
  texts: Texts,
  name: string,
  version: number | 'latest',
): Promise<Address | undefined> {
  checkName(name);
  const number = version === 'latest' ? (await versionsOf(texts, name)).at(-1) : version;
  return number === undefined ? undefined : addressAt(texts, name, number);
}

async function addressAt(texts: Texts, name: string, version: number): Promise<Address | undefined> {
  const path = pathOf(name, version);
  return addressOfVersion(`${texts.place}/${path}`, await texts.read(path));
}

/** As `ArtifactStore.listNames`. Includes names of earlier versions of selm that are no longer allowed. */
export async function listNames(texts: Texts): Promise<NamedVersion[]> {
  const versions = (await texts.list('names', 2)).flatMap((path) => {
    const [name, entry] = path.split('/');
    const version = versionOf(entry);
    return version === undefined ? [] : [{ name, version }];
  });
  versions.sort((a, b) => (a.name === b.name ? a.version - b.version : a.name < b.name ? -1 : 1));
  const resolved = await inTurns(versions, async ({ name, version }) => {
    const address = await addressAt(texts, name, version);
    return address === undefined ? [] : [{ name, version, address }];
  });
  return resolved.flat();
}
