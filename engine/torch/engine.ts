/** The torch backend: tokenizes, orders, schedules and computes metrics in this process; the ranks compute. */
import type { JobRunner } from '../process/child.ts';
import type { ComputeSettings } from '../protocol/compute.ts';
import type { EngineMethod, JobControl, JobOf, ResultOf } from '../protocol/jobs.ts';
import { threadsOf, type JobContext } from './context.ts';
import { torchEnvironment } from './environment.ts';
import { nodeCount } from './nodes.ts';
import { Ranks, type Patience } from './ranks.ts';
import { divergence, rank, reference, score } from './score.ts';
import { optimize, sft } from './train.ts';
import { checkMachine } from './version.ts';

type Methods = { [M in EngineMethod]?: (job: JobOf<M>, context: JobContext) => Promise<ResultOf<M>> };

const methods: Methods = {
  reference,
  score,
  optimize,
  sft,
  divergence,
  rank,
};

/** Runs jobs one at a time, and keeps the ranks between them. */
export class TorchEngine implements JobRunner {
  private readonly patience: Patience;
  private started: Ranks | undefined;

  constructor(patience: Patience) {
    this.patience = patience;
  }

  /** @throws like `Engine.run` */
  async run<M extends EngineMethod>(method: M, job: JobOf<M>, control: JobControl): Promise<ResultOf<M>> {
    const compute = methods[method] as ((job: JobOf<M>, context: JobContext) => Promise<ResultOf<M>>) | undefined;
    if (!compute) throw new Error(`The torch backend does not compute ${method}.`);
    return compute(job, { control, ranks: (settings) => this.ranks(settings, control.signal) });
  }

  private async ranks(compute: ComputeSettings, signal: AbortSignal | undefined): Promise<Ranks> {
    const { device = 'cpu', gpus = 1 } = compute;
    checkMachine(compute);
    const { python } = torchEnvironment();
    const settings = { python, ranks: gpus, nodes: nodeCount(), device, threads: threadsOf(compute) };
    if (this.started?.isAlive && this.started.fits(settings)) return this.started;
    await this.started?.stop();
    return (this.started = await Ranks.start(settings, this.patience, signal));
  }
}
