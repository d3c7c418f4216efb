/** Bytes as the characters that GPT-2's vocabulary has for them. */

/** Printable characters of Latin-1 encode themselves, the others follow from U+0100 on. */
const BYTE_OF = new Map<string, number>();
for (let byte = 0, next = 0x100; byte < 0x100; byte++) {
  const isPrintable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  BYTE_OF.set(String.fromCodePoint(isPrintable ? byte : next++), byte);
}
const CHARACTERS = [...BYTE_OF.keys()];

const utf8 = new TextEncoder();

/** A text as characters that encode its bytes. */
export const asByteCharacters = (text: string): string =>
  Array.from(utf8.encode(text), (byte) => CHARACTERS[byte]).join('');

/** The bytes of a token. One with a character that encodes no byte is text, whether it was added or not. */
export function bytesOf(token: string): number[] {
  const bytes = [...token].map((character) => BYTE_OF.get(character));
  return bytes.every((byte) => byte !== undefined) ? bytes : [...utf8.encode(token)];
}
