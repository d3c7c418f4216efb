/** The strategies by name. */
import type { AskSettings } from '../settings.ts';
import { dOptimal } from './d-optimal.ts';
import { gap } from './gap.ts';
import { margin } from './margin.ts';
import { random } from './random.ts';
import type { Strategy } from './strategy.ts';

export const strategies: Record<AskSettings['strategy'], Strategy> = { random, margin, gap, 'd-optimal': dOptimal };
