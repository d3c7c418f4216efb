/** The Loop operator. */
import type { Dim, Shape } from '../shape.ts';
import { Graph, type Tensor } from '../tensor.ts';
import { identity } from './elementwise.ts';
import { check } from './emit.ts';

/**
 * A loop that runs inside the runtime. Tensors are carried from one iteration to the next (state) or stacked (scan).
 * @param trips largest number of iterations, int64 []
 * @param state initial values of the carried tensors
 * @param stateShapes their shapes inside the body; a dimension that changes from one iteration to the next has a name here
 * @param steps names the number of iterations that were run
 * @param body gets the iteration's number, int64 [], and the carried tensors; returns whether to go on (bool [], default: yes),
 *   the next state, and the values to stack. It may use the tensors of `g`.
 * @returns the last state, and the scanned values, [steps, ...] each
 */
export function loop(
  g: Graph,
  trips: Tensor,
  state: Tensor[],
  stateShapes: Shape[],
  steps: Dim,
  body: (b: Graph, iteration: Tensor, state: Tensor[]) => { again?: Tensor; state: Tensor[]; scan: Tensor[] },
): { state: Tensor[]; scan: Tensor[] } {
  const b = new Graph(g);
  const name = g.freshName('body');
  const iteration = b.input(`${name}_iteration`, 'int64', []);
  const condition = b.input(`${name}_condition`, 'bool', []);
  const carried = state.map((tensor, i) => b.input(`${name}_state_${i}`, tensor.type, stateShapes[i]));
  const result = body(b, iteration, carried);
  const isComplete = result.state.length === state.length;
  check(isComplete, 'Loop', `the body gets ${state.length} carried tensors and returns ${result.state.length}`);
  const again = result.again ?? identity(b, condition);
  for (const [i, tensor] of [again, ...result.state, ...result.scan].entries()) b.output(String(i), tensor);
  const outputs = [
    ...result.state.map(({ type, shape }) => ({ type, shape })),
    ...result.scan.map(({ type, shape }) => ({ type, shape: [steps, ...shape] })),
  ];
  const start = g.constant('bool', [], Uint8Array.of(1));
  const results = g.emit('Loop', [trips, start, ...state], outputs, { attributes: { body: b } });
  return { state: results.slice(0, state.length), scan: results.slice(state.length) };
}
