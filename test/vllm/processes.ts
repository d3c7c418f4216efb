/** The processes of vLLM on this machine. */
import { readdirSync, readFileSync } from 'node:fs';

/** What vLLM calls its processes after their start, and how they are started. */
const VLLM = /VLLM::|vllm\.entrypoints|vllm\/watcher/;

/** Process ids and command lines. */
export const vllmProcesses = (): string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return VLLM.test(command) ? [`${pid} ${command}`] : [];
      } catch {
        // It has ended meanwhile.
        return [];
      }
    });
