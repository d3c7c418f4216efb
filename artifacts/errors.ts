/** Errors of the artifact store. */

/**
 * An artifact is missing, or a file's hash differs from the manifest. The step recomputes the artifact. A file that cannot be read
 * (EACCES, EIO, too many open files, …) is a different error, and nothing is removed then.
 */
export class ArtifactDamaged extends Error {
  override readonly name = 'ArtifactDamaged';
  readonly address: string;
  /** Whether the artifact, or one of its files, does not exist. */
  readonly missing: boolean;

  constructor(address: string, problem: string, missing = false) {
    super(`Artifact ${address.slice(0, 12)} is damaged: ${problem}; selm run makes it again, with its run's file.`);
    this.address = address;
    this.missing = missing;
  }
}

/** The store's bucket did not answer, or its folder could not be read or written, after all attempts. A later attempt may succeed. */
export class StoreFailed extends Error {
  override readonly name = 'StoreFailed';
  /** Whether the bucket rejected the request: its name, the credentials, the region or the endpoint are wrong. */
  readonly rejected: boolean;
  /** Of an error of the file system: EACCES, EIO, ENOSPC, … */
  readonly code: string | undefined;

  constructor(message: string, options: ErrorOptions & { rejected?: boolean; code?: string | undefined } = {}) {
    super(message, options);
    this.rejected = options.rejected ?? false;
    this.code = options.code;
  }
}

/** The result of `work`; undefined if the artifact is damaged. Other errors are thrown. */
export async function unlessDamaged<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof ArtifactDamaged) return undefined;
    throw error;
  }
}
