/** Random numbers that are a function of values: workflows have no node:crypto, and must draw the same again when they are replayed. */

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/**
 * A number in [0, 1) that depends on all `values`, uniform over them: FNV-1a over the UTF-16 units of their JSON, then MurmurHash3's
 * finalizer, since FNV-1a alone hardly mixes the last characters into the upper bits.
 */
export function unitHash(...values: (string | number)[]): number {
  const text = JSON.stringify(values);
  let hash = FNV_OFFSET;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
