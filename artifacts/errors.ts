/** Errors of the store. */

/**
 * An artifact is missing, or is not what its hash says. Running the step that made it again makes it anew. An artifact that cannot be read
 * (EACCES, EIO, too many open files, …) is another error: nothing is removed for it.
 */
export class ArtifactDamaged extends Error {
  override readonly name = 'ArtifactDamaged';
  /** The artifact's address. */
  readonly address: string;
  /** Whether the artifact, or one of its files, does not exist. */
  readonly missing: boolean;

  constructor(address: string, problem: string, missing = false) {
    super(`Artifact ${address.slice(0, 12)} is damaged: ${problem}; selm run makes it again, with its run's file.`);
    this.address = address;
    this.missing = missing;
  }
}
