/** The interface of a fault, and of the run that it affects. */

/** A run as faults see it. */
export interface Target {
  /** The command's process. */
  pid: number;
  home: string;
  store: string;
  /** Of the run's commands. */
  env: Record<string, string>;
  /** The folders that lie on a small disk of their own. */
  disks: Partial<Record<Disk, string>>;
  random: () => number;
  /** Told of an artifact that a fault has damaged. */
  damaged: (address: string) => void;
  /** Does something beside the run until it has ended. */
  beside: (work: (hasEnded: () => boolean) => Promise<void>) => void;
}

export const DISKS = ['store', 'home', 'TMPDIR', 'cache'] as const;
export type Disk = (typeof DISKS)[number];

/** @returns whether there was anything to strike */
export type Fault = (target: Target) => Promise<boolean> | boolean;
