/** All instruction kinds that can be composed into prompts, by id. */
import type { KindId } from './conflicts.ts';
import { format } from './format.ts';
import { keywords } from './keywords.ts';
import type { ComposableKind } from './kind.ts';
import { length } from './length.ts';
import { whole } from './whole.ts';

export const composableKinds: Record<KindId, ComposableKind<object>> = {
  ...keywords,
  ...length,
  ...format,
  ...whole,
};
