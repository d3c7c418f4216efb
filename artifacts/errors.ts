/** Errors of the artifact store. */

/**
 * An artifact is missing, or its files do not have their hashes. Its step computes it again. A file that cannot be read (EACCES,
 * EIO, too many open files, …) is another error, for which nothing is removed.
 */
export class ArtifactDamaged extends Error {
  override readonly name = 'ArtifactDamaged';
  readonly address: string;
  /** Whether the artifact, or one of its files, does not exist. */
  readonly missing: boolean;

  constructor(address: string, problem: string, missing = false) {
    super(`Artifact ${address.slice(0, 12)} is damaged: ${problem}; it will be made again.`);
    this.address = address;
    this.missing = missing;
  }
}

/** The store did not answer as it should, after all attempts. A later attempt may succeed. */
export class StoreFailed extends Error {
  override readonly name = 'StoreFailed';
  /** Whether it rejected the request: the bucket, the credentials, the region or the endpoint are wrong. */
  readonly rejected: boolean;

  constructor(message: string, { rejected = false, ...options }: ErrorOptions & { rejected?: boolean } = {}) {
    super(message, options);
    this.rejected = rejected;
  }
}
