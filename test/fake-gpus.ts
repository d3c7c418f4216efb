/** A machine with GPUs, as far as nvidia-smi tells: no test machine needs one. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';

/** Writes an nvidia-smi into a folder. @param body of a shell script @returns a PATH on which it comes before all others */
export function pathWithNvidiaSmi(folder: string, body: string): string {
  mkdirSync(folder, { recursive: true });
  const program = join(folder, 'nvidia-smi');
  writeFileSync(program, `#!/bin/sh\n${body}\n`);
  chmodSync(program, 0o755);
  return `${folder}:${process.env['PATH']}`;
}

/** Puts an nvidia-smi on this process's PATH, until vi.unstubAllEnvs(). */
export const fakeNvidiaSmi = (folder: string, body: string) => void vi.stubEnv('PATH', pathWithNvidiaSmi(folder, body));

/** As nvidia-smi 580 prints index, UUID, memory, memory in use (in MiB) and name. */
export const TWO_H100 =
  'echo "0, GPU-5b2f, 81559, 4, NVIDIA H100 80GB HBM3"; echo "1, GPU-77aa, 81559, 70112, NVIDIA H100 80GB HBM3"';
