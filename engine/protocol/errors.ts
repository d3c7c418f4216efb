/** What can go wrong with the engine that is not the input's fault. */

/** The job was asked to stop, and did; a training's checkpoint holds what was done. */
export class JobAborted extends Error {
  override readonly name = 'JobAborted';
}

/** The engine's process ended or fell silent in the middle of a job. Trying again starts a new one. */
export class EngineDied extends Error {
  override readonly name = 'EngineDied';
}
