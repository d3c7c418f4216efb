/** Formats that users give in place of JSON Lines or Parquet, by their first bytes. */

/** Their first bytes in hexadecimal, and what to do. */
const FORMS: [beginning: RegExp, is: string][] = [
  [/^1f8b/, 'is compressed with gzip; decompress it'],
  [/^28b52ffd/, 'is compressed with zstd; decompress it'],
  [/^425a68/, 'is compressed with bzip2; decompress it'],
  [/^fd377a585a00/, 'is compressed with xz; decompress it'],
  [/^504b0304/, 'is a zip archive; extract it'],
  [/^(4152524f5731|ffffffff)/, 'is an Arrow file; write it with Dataset.to_parquet or to_json'],
  // `version https://git-lfs.github.com/spec/v1`
  [/^76657273696f6e20/, 'is a pointer of Git LFS; get the file itself with git lfs pull'],
  [/^50415231/, 'is a Parquet file; give it the extension .parquet'],
  [/^(fffe0000|0000feff)/, 'is UTF-32; convert it to UTF-8'],
  // Begins with a byte order mark, or with an ASCII character.
  [/^(fffe|feff|(?!0000)(00[0-7].|[0-7].00))/, 'is UTF-16; convert it to UTF-8'],
];

/** What a file is, and what to do. Undefined for another format. @param bytes the first eight bytes or more */
export function otherForm(bytes: Uint8Array): string | undefined {
  const beginning = Buffer.from(bytes.subarray(0, 8)).toString('hex');
  return FORMS.find(([form]) => form.test(beginning))?.[1];
}
