/** Counting the starts of vLLM. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/**
 * Makes a Python for SELM_PYTHON that notes the model of each vLLM that it starts.
 * @param path of the new program
 * @param python what it runs
 * @returns what reads the models, in the order of the starts
 */
export function makeNotingPython(path: string, python: string): () => string[] {
  const notes = `${path}-starts`;
  const note = `case "$*" in *"vllm.entrypoints.cli.main serve"*) echo "$4" >> '${notes}';; esac`;
  writeFileSync(path, `#!/bin/sh\n${note}\nexec '${python}' "$@"\n`, { mode: 0o755 });
  return () => (existsSync(notes) ? readFileSync(notes, 'utf8').trim().split('\n') : []);
}
