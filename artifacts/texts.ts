/** The storage of a store's indexes: small texts by path, in a folder (folder-texts.ts) or in a bucket (s3-texts.ts). */

/** Paths have "/" as separator. */
export interface Texts {
  /** The folder or the URL of the bucket, for messages. */
  readonly place: string;

  /** The paths of what is exactly `depth` levels below a folder, relative to it, in any order. May include folders. */
  list(folder: string, depth: 1 | 2): Promise<string[]>;

  /** @returns undefined if there is no such text */
  read(path: string): Promise<string | undefined>;

  /** Writes a text atomically, replacing an existing one. */
  write(path: string, text: string): Promise<void>;

  /**
   * Writes a text unless the path exists, atomically.
   * @returns whether it was written. May also be true if the path had this text already
   */
  writeOnce(path: string, text: string): Promise<boolean>;
}
