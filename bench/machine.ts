/** The machine of the measurements. */
import { existsSync, readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';

/** Instructions for matrix products, by the kernel's names for them. The first that a CPU has are those of its fastest products. */
const INSTRUCTIONS = {
  amx_bf16: 'AMX',
  avx512_bf16: 'AVX-512 BF16',
  avx512f: 'AVX-512',
  avx2: 'AVX2',
};

/** Only Linux has it. */
const CPU_INFO = '/proc/cpuinfo';

/** '2 cores of AMD EPYC with AVX2, 24 GB'. Clouds give different CPUs the same model name. */
export function describeMachine(): string {
  const info = existsSync(CPU_INFO) ? readFileSync(CPU_INFO, 'utf8') : '';
  const flags = new Set(/^flags\s*:(.*)$/m.exec(info)?.[1].split(' '));
  const fastest = Object.entries(INSTRUCTIONS).find(([flag]) => flags.has(flag))?.[1];
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} cores of ${cpus()[0].model}${fastest ? ` with ${fastest}` : ''}, ${memory} GB`;
}
