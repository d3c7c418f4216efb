/**
 * AdamW (arXiv 1711.05101) with gradient clipping. Only AdamW runs outside the graph: a session copies its outputs, and copying the
 * optimizer's state takes several times as long as one loop over it in place.
 */
import { elementCount } from '../../model-files/element-count.ts';
import { float32, type Feeds } from '../session.ts';
import type { TrainingSettings } from '../../protocol/settings.ts';

/** A trainable tensor: its name and fixed shape. */
export interface Parameter {
  name: string;
  shape: number[];
}

/** Added to the norm that is divided by, as torch.nn.utils.clip_grad_norm_ does. */
const CLIP_EPSILON = 1e-6;

/** The numbers of one parameter, its gradient and its moments. */
type Buffers = Record<'value' | 'gradient' | 'mean' | 'variance', Float32Array>;

/** The optimizer. Parameters, gradients and moments are buffers that every step updates in place. */
export class AdamW {
  /** The parameters, by name. */
  readonly values: Feeds;
  /** The accumulated gradients, as `gradient.<name>`. */
  readonly gradients: Feeds;
  /** The moments, as `mean.<name>` and `variance.<name>`. */
  readonly moments: Feeds;
  private readonly parameters: Parameter[];
  private readonly settings: TrainingSettings;

  /** @param values the parameters' initial values, by name, float32; updated in place */
  constructor(parameters: Parameter[], values: Feeds, settings: TrainingSettings) {
    this.parameters = parameters;
    this.settings = settings;
    this.values = values;
    const zeros = (prefix: string) =>
      Object.fromEntries(
        parameters.map(({ name, shape }) => [
          `${prefix}.${name}`,
          float32(new Float32Array(elementCount(shape)), shape),
        ]),
      );
    this.gradients = zeros('gradient');
    this.moments = { ...zeros('mean'), ...zeros('variance') };
  }

  /** What a checkpoint stores. */
  get state(): Feeds {
    return { ...this.values, ...this.moments };
  }

  /**
   * Applies the accumulated gradients and clears them (arXiv 1711.05101, algorithm 2, with PyTorch's decay by the learning rate).
   * With g the gradient clipped to the global norm `maxGradNorm`, at step t:
   *
   *     m = b1 m + (1 - b1) g    v = b2 v + (1 - b2) g^2
   *     p = p (1 - lr decay) - lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps)
   *
   * Vectors (norms and biases) do not decay, as in transformers' Trainer. Computed in float64, stored in float32.
   * @param step counted from 1
   * @returns the gradients' global norm before clipping
   */
  step(step: number, learningRate: number): number {
    const { adamBeta1, adamBeta2, maxGradNorm, weightDecay } = this.settings;
    const norm = Math.sqrt(this.parameters.reduce((sum, { name }) => sum + sumSquares(this.buffers(name).gradient), 0));
    const factors = {
      clip: Math.min(1, maxGradNorm / (norm + CLIP_EPSILON)),
      stepSize: learningRate / (1 - adamBeta1 ** step),
      correction: Math.sqrt(1 - adamBeta2 ** step),
    };
    for (const { name, shape } of this.parameters) {
      const kept = shape.length > 1 ? 1 - learningRate * weightDecay : 1;
      update(this.buffers(name), this.settings, { ...factors, kept });
    }
    return norm;
  }

  private buffers(name: string): Buffers {
    const { [name]: value } = this.values;
    const { [`gradient.${name}`]: gradient } = this.gradients;
    const { [`mean.${name}`]: mean, [`variance.${name}`]: variance } = this.moments;
    return { value: numbers(value), gradient: numbers(gradient), mean: numbers(mean), variance: numbers(variance) };
  }
}

const numbers = (tensor: Feeds[string]) => tensor.data as Float32Array;

function sumSquares(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return sum;
}

function update(
  { value, gradient, mean, variance }: Buffers,
  { adamBeta1, adamBeta2, adamEpsilon }: TrainingSettings,
  { clip, stepSize, correction, kept }: Record<'clip' | 'stepSize' | 'correction' | 'kept', number>,
): void {
  for (let i = 0; i < value.length; i++) {
    const g = gradient[i] * clip;
    const m = adamBeta1 * mean[i] + (1 - adamBeta1) * g;
    const v = adamBeta2 * variance[i] + (1 - adamBeta2) * g * g;
    value[i] = value[i] * kept - (stepSize * m) / (Math.sqrt(v) / correction + adamEpsilon);
    mean[i] = m;
    variance[i] = v;
    gradient[i] = 0;
  }
}
