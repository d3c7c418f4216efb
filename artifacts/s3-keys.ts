/** Keys of the objects in a store's bucket. */
import { isAddress, MANIFEST, type Address, type StepKey } from './manifest.ts';

/** The object that names the artifact of a step key. */
export const indexOf = (key: StepKey): string => `steps/${key}`;

/** The key of an artifact's file. */
export const objectOf = (address: Address, path: string): string => `objects/${address}/${path}`;

/** @throws Error when `address` is not an address */
export function manifestOf(address: Address): string {
  if (!isAddress(address)) throw new Error(`"${address}" is not an artifact's address.`);
  return objectOf(address, MANIFEST);
}

/** Whether an object is an artifact's manifest, and not a file of the same name in one of its folders. */
export function isManifest(key: string): boolean {
  const [, address, ...path] = key.split('/');
  return isAddress(address) && path.join('/') === MANIFEST;
}
