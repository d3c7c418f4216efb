/** The size on disk of what a training saves, in bytes. */

/** The trained weights, which are float32. @param weights the number of trained weights */
export const savedBytes = (weights: number): number => 4 * weights;

/** A checkpoint: the trained weights and AdamW's two moments of each, in float32. */
export const checkpointBytes = (weights: number): number => 12 * weights;

/** Checkpoints on the disk at a time: the last complete one, and the one that is being written. */
export const CHECKPOINTS = 2;
