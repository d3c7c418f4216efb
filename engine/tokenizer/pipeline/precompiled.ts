/** SentencePiece's normalization rules, compiled into a table: the crate spm_precompiled of the tokenizers library. */

const utf8 = new TextEncoder();
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Longer grapheme clusters (in bytes) are normalized character by character. */
const MAX_BYTES = 5;

/** @param charsmap base64: the size of a trie, the trie, and the texts that its leaves point to, each with a zero at its end */
export function precompiled(charsmap: string): (text: string) => string {
  const bytes = Buffer.from(charsmap, 'base64');
  const units = bytes.length < 4 ? -1 : Math.floor(bytes.readUInt32LE(0) / 4);
  if (units < 1 || bytes.length < 4 + 4 * units) throw new Error('precompiled_charsmap of Precompiled is damaged');
  const trie = Uint32Array.from({ length: units }, (_, i) => bytes.readUInt32LE(4 + 4 * i));
  const texts = bytes.subarray(4 + 4 * units);
  const normalized = (part: string): string | undefined => {
    const at = leafOf(trie, utf8.encode(part));
    if (at === undefined) return undefined;
    const end = texts.indexOf(0, at);
    return texts.toString('utf8', at, end < 0 ? texts.length : end);
  };
  const known = new Map<string, string>();
  const normalize = (grapheme: string): string => {
    const whole = Buffer.byteLength(grapheme) <= MAX_BYTES ? normalized(grapheme) : undefined;
    return whole ?? [...grapheme].map((character) => normalized(character) ?? character).join('');
  };
  return (text) => {
    const changed: string[] = [];
    for (const { segment } of graphemes.segment(text)) {
      let change = known.get(segment);
      if (change === undefined) {
        change = normalize(segment);
        if (known.size < MAX_KNOWN) known.set(segment, change);
      }
      changed.push(change);
    }
    return changed.join('');
  };
}
const MAX_KNOWN = 2 ** 16;

/** The leaf of the shortest beginning of a key that the trie (a double array of Darts) has. */
function leafOf(trie: Uint32Array, key: Uint8Array): number | undefined {
  let at = offsetOf(trie[0]);
  for (const byte of key) {
    if (byte === 0) return undefined;
    at ^= byte;
    const unit = trie[at];
    if (unit === undefined || (unit & 0x8000_00ff) !== byte) return undefined;
    at ^= offsetOf(unit);
    if ((unit & 0x100) !== 0) return trie[at] & 0x7fff_ffff;
  }
  return undefined;
}

const offsetOf = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6);
