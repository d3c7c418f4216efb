/** Why vLLM ended: the cause in its output, as one sentence. */
import { InputError } from '../../data/errors.ts';
import { PYTHON_ERROR } from '../process/python-error.ts';
import { EngineDied } from '../protocol/errors.ts';

/** What vLLM's processes put before each line: (EngineCore pid=12) ERROR 11-29 04:16:24 [core.py:12]. */
const PREFIX = /^(\(\w+ pid=\d+\) )?((ERROR|WARNING|INFO|CRITICAL) [\d-]+ [\d:]+ (\[[^\]]+\] )?)?/;
/** Errors that only report that another process has failed. */
const CONSEQUENCE = /Engine core (proc|initialization)|EngineDeadError|WorkerProc initialization failed|SystemExit/;
/** Lines kept of an output without a traceback. */
const LINES_KEPT = 10;

const MISSING = /No module named '?vllm/;
const OUT_OF_MEMORY = /out of memory|less than desired (GPU|CPU) memory utilization|No available memory for the cache/i;
/** Errors that another attempt would meet again. */
const OF_THE_INPUT = /unrecognized arguments|invalid choice|are not supported for now|is not supported|max seq len/;

/**
 * The error for a server that ended without having been stopped.
 * @param how such as "ended with exit code 1"
 * @param output the end of its output
 * @returns an `InputError` if the cause is a setting, the model, or an incomplete installation
 */
export function vllmFailure(how: string, output: string): Error {
  const cause = causeIn(output);
  if (MISSING.test(output)) {
    return new InputError(`vLLM is not installed (${cause}): run selm torch install, or set SELM_PYTHON.`);
  }
  if (OUT_OF_MEMORY.test(cause)) {
    return new EngineDied(
      `vLLM ${how}, because there was too little free memory: ${cause}. End other processes on the GPUs, ` +
        'or set --gpu-memory-utilization or --max-model-len in sample.vllm.args.',
    );
  }
  if (OF_THE_INPUT.test(cause)) {
    return new InputError(
      `vLLM cannot serve this policy (${cause}): change sample.vllm.args, or set sample.backend: onnx.`,
    );
  }
  return new EngineDied(`vLLM ${how}.${cause && ` Its last words: ${cause}`}`);
}

/** The last error of the first process that failed; without a traceback, the last lines. */
function causeIn(output: string): string {
  const lines = output.split('\n').map((line) => line.trim().replace(PREFIX, '').trim());
  const raised = lines.filter((line) => PYTHON_ERROR.test(line) && !CONSEQUENCE.test(line));
  const cause = raised.at(-1) ?? lines.findLast((line) => / error: /.test(line));
  const last =
    cause ??
    lines
      .filter((line) => line !== '')
      .slice(-LINES_KEPT)
      .join(' | ');
  return last.replace(/[.\s]+$/, '');
}
