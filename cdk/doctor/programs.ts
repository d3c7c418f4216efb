/** Whether the images of a deployment have the programs that the benchmarks of a run need. The images that selm builds have none of them. */
import { benchmarkOf } from '../../config/benchmarks.ts';
import type { DeployConfig } from '../../config/deployment.ts';
import { poolOf, type PoolName } from '../../config/pools.ts';
import type { RunConfig } from '../../config/run.ts';
import type { Role } from '../images.ts';
import type { Finding } from './findings.ts';

/** The image that a benchmark's program is in, and what it needs there. */
const PROGRAMS: Partial<Record<string, { image: Role; needs: string }>> = {
  'lm-eval': { image: 'gpu', needs: 'lm_eval[api], and SELM_LM_EVAL_PYTHON with its Python interpreter' },
  'alpaca-eval': { image: 'control', needs: 'the Python environment of selm benchmarks install' },
};

interface ProgramFinding extends Finding {
  run: string;
  pool: PoolName;
}

/** A finding for each benchmark of a run that needs a program. Without it the run waits for a decision at the benchmark. */
export function examinePrograms({ images }: DeployConfig, run: RunConfig): ProgramFinding[] {
  return (run.evaluate.benchmarks ?? []).flatMap((entry): ProgramFinding[] => {
    const { name } = benchmarkOf(entry);
    const program = PROGRAMS[name];
    if (!program) return [];
    const { image, needs } = program;
    const base = { run: run.name, pool: poolOf(run), check: `run ${run.name}: ${name}` };
    return images[image] === undefined
      ? [
          {
            ...base,
            verdict: 'stops',
            detail: `the image ${image} that selm builds lacks its program: give images.${image} one with ${needs}; or leave ${name} out`,
          },
        ]
      : [{ ...base, verdict: 'not checked', detail: `images.${image} must have ${needs}` }];
  });
}
