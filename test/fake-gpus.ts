/** A machine with GPUs, as far as nvidia-smi tells: no test machine needs one. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';

/** Puts an nvidia-smi before all others on this process's PATH, until vi.unstubAllEnvs(). @param body of a shell script */
export function fakeNvidiaSmi(folder: string, body: string): void {
  mkdirSync(folder, { recursive: true });
  const program = join(folder, 'nvidia-smi');
  writeFileSync(program, `#!/bin/sh\n${body}\n`);
  chmodSync(program, 0o755);
  vi.stubEnv('PATH', `${folder}:${process.env['PATH']}`);
}

/** As nvidia-smi 580 prints index, UUID, memory, memory in use (in MiB) and name. */
export const TWO_H100 =
  'echo "0, GPU-5b2f, 81559, 4, NVIDIA H100 80GB HBM3"; echo "1, GPU-77aa, 81559, 70112, NVIDIA H100 80GB HBM3"';
