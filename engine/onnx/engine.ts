/** The ONNX Runtime backend: runs the protocol's jobs in this process. */
import type { EngineMethod, JobControl, JobOf, ResultOf } from '../protocol/jobs.ts';
import type { JobRunner } from '../process/child.ts';
import type { JobContext } from './jobs/context.ts';
import { exportModel } from './jobs/export.ts';
import { rank, reward } from './jobs/rank.ts';
import { sample } from './jobs/sample.ts';
import { divergence, reference, score, scoreTokens } from './jobs/score.ts';
import { optimize, sft } from './jobs/train.ts';
import { SessionCache } from './sessions.ts';

const methods: { [M in EngineMethod]: (job: JobOf<M>, context: JobContext) => Promise<ResultOf<M>> } = {
  sample,
  score,
  divergence,
  reward,
  rank,
  scoreTokens,
  reference,
  optimize,
  sft,
  export: exportModel,
};

/** Runs jobs one at a time, and keeps sessions open between them. */
export class LocalEngine implements JobRunner {
  private readonly sessions = new SessionCache();

  /** @throws like `Engine.run` */
  async run<M extends EngineMethod>(method: M, job: JobOf<M>, control: JobControl): Promise<ResultOf<M>> {
    return methods[method](job, { control, sessions: this.sessions });
  }

  /** Closes the sessions that are kept open between jobs. */
  async close(): Promise<void> {
    await this.sessions.clear();
  }
}
