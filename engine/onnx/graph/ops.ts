/**
 * The operators that graphs are built of. Each is a function that appends one node (sometimes a few): it checks the types and
 * shapes of its inputs, states those of its result, and declares beside it how it is differentiated (`vjp`). An operator without
 * a vjp can be used wherever no gradient flows through it.
 */
export * from './ops/elementwise.ts';
export * from './ops/integers.ts';
export * from './ops/layout.ts';
export * from './ops/loop.ts';
export * from './ops/products.ts';
export * from './ops/reductions.ts';
export * from './ops/selection.ts';
export * from './ops/size.ts';
export * from './ops/transformer.ts';
