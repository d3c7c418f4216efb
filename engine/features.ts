/**
 * Feature vectors of responses. `score` writes them into a file (`ScoreJob.features`): the tensor `features`, float32
 * [rows, hidden size], in safetensors format.
 *
 * phi(x, y) is the hidden state after the last layer and its norm, at the last token of prompt x and response y: transformers'
 * `hidden_states[-1][-1]`. Of a response without tokens it is that of the prompt's last token.
 *
 * Source: arXiv 2503.01076 ("Active Learning for Direct Preference Optimization"), section 6.2: "the embedding of the concatenated prompt
 * and response from the last hidden layer of the LLM". Under its assumption of a log-linear policy, pi(y | x) proportional to
 * exp(phi(x, y)^T theta) (equation 8), DPO's logit is linear in phi(x, y1) - phi(x, y2). The paper does not say which token's embedding
 * it takes, and has no code. The last token's is the only state that depends on the whole prompt and response, since attention is
 * causal; transformers' reward models (`LlamaForSequenceClassification`) take it too.
 */
import { openSafetensors, readTensorF32 } from './model-files/safetensors.ts';

/** The name of the tensor in the file. */
export const FEATURES = 'features';

/** Feature vectors in a file. They are read one by one: all may not fit into memory. */
export interface Features {
  rows: number;
  /** The size of a vector. */
  width: number;
  /** The vector of a row of the job. */
  row(index: number): Float32Array;
}

/** Opens a file that `score` has written. */
export function openFeatures(file: string): Features {
  const entry = openSafetensors(file).get(FEATURES)!;
  const [rows, width] = entry.shape;
  const length = entry.length / rows;
  return { rows, width, row: (index) => readTensorF32({ ...entry, offset: entry.offset + index * length, length }) };
}
