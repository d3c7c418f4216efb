/** AdamW (arXiv 1711.05101) with gradient clipping, as one graph over all parameters. */
import * as ops from '../graph/ops.ts';
import { Graph } from '../graph/tensor.ts';
import { float32, scalar, Session, type Feeds } from '../session.ts';
import type { TrainingSettings } from '../settings.ts';

/** A trainable tensor: its name and fixed shape. */
export interface Parameter {
  name: string;
  shape: number[];
}

/** torch.nn.utils.clip_grad_norm_ adds this to the norm it divides by. */
const CLIP_EPSILON = 1e-6;

const momentNames = (name: string) => ({ mean: `mean.${name}`, variance: `variance.${name}` });

/**
 * With g the gradient clipped to the global norm `maxGradNorm`, at step t:
 *   m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
 *   p = p (1 - lr decay) - lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps)
 * Decay does not touch vectors (norms and biases), as in transformers' Trainer.
 */
function updateGraph(parameters: Parameter[], settings: TrainingSettings): Graph {
  const { adamBeta1, adamBeta2, adamEpsilon, maxGradNorm, weightDecay } = settings;
  const g = new Graph();
  const [stepSize, correction, decay] = ['step_size', 'correction', 'decay'].map((name) =>
    g.input(name, 'float32', []),
  );
  const gradients = parameters.map(({ name, shape }) => g.input(`gradient.${name}`, 'float32', shape));
  const total = gradients.map((gradient) => ops.sumSquares(g, gradient)).reduce((a, b) => ops.add(g, a, b));
  const norm = ops.sqrt(g, total);
  g.output('grad_norm', norm);
  const ratio = ops.div(g, g.scalar(maxGradNorm), ops.add(g, norm, g.scalar(CLIP_EPSILON)));
  const clip = ops.min(g, ratio, g.scalar(1));
  for (const [i, { name, shape }] of parameters.entries()) {
    const { mean, variance } = momentNames(name);
    const gradient = ops.mul(g, gradients[i], clip);
    const blend = (old: string, beta: number, fresh: typeof gradient) =>
      ops.add(g, ops.mul(g, g.input(old, 'float32', shape), g.scalar(beta)), ops.mul(g, fresh, g.scalar(1 - beta)));
    const m = blend(mean, adamBeta1, gradient);
    const v = blend(variance, adamBeta2, ops.mul(g, gradient, gradient));
    const value = g.input(name, 'float32', shape);
    const kept = weightDecay > 0 && shape.length > 1 ? ops.mul(g, value, decay) : value;
    const scale = ops.add(g, ops.div(g, ops.sqrt(g, v), correction), g.scalar(adamEpsilon));
    g.output(name, ops.sub(g, kept, ops.mul(g, stepSize, ops.div(g, m, scale))));
    g.output(mean, m);
    g.output(variance, v);
  }
  return g;
}

/** The optimizer: parameters, gradients and moments live in buffers that every step updates in place. */
export class AdamW {
  readonly values: Feeds;
  readonly gradients: Feeds;
  readonly moments: Feeds;
  private readonly session: Session;
  private readonly settings: TrainingSettings;

  private constructor(session: Session, settings: TrainingSettings, parameters: Parameter[], values: Feeds) {
    this.session = session;
    this.settings = settings;
    this.values = values;
    const zeros = (rename: (name: string) => string) =>
      Object.fromEntries(
        parameters.map(({ name, shape }) => [
          rename(name),
          float32(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape),
        ]),
      );
    this.gradients = zeros((name) => `gradient.${name}`);
    this.moments = { ...zeros((name) => momentNames(name).mean), ...zeros((name) => momentNames(name).variance) };
  }

  /** @param values the parameters' first values, by name; updated in place from then on */
  static async open(
    parameters: Parameter[],
    values: Feeds,
    settings: TrainingSettings,
    threads: number,
  ): Promise<AdamW> {
    const session = await Session.open(updateGraph(parameters, settings), { threads });
    return new AdamW(session, settings, parameters, values);
  }

  /** Everything a checkpoint must hold of the optimizer. */
  get state(): Feeds {
    return { ...this.values, ...this.moments };
  }

  /**
   * Applies the accumulated gradients and clears them.
   * @param step counted from 1
   * @returns the gradients' global norm before clipping
   */
  async step(step: number, learningRate: number): Promise<number> {
    const { adamBeta1, adamBeta2, weightDecay } = this.settings;
    const { grad_norm: norm } = await this.session.run(
      {
        ...this.values,
        ...this.moments,
        ...this.gradients,
        step_size: scalar(learningRate / (1 - adamBeta1 ** step)),
        correction: scalar(Math.sqrt(1 - adamBeta2 ** step)),
        decay: scalar(1 - learningRate * weightDecay),
      },
      { ...this.values, ...this.moments },
    );
    for (const gradient of Object.values(this.gradients)) (gradient.data as Float32Array).fill(0);
    return (norm.data as Float32Array)[0];
  }

  async close(): Promise<void> {
    await this.session.close();
  }
}
