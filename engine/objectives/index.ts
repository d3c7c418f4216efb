import type { ObjectiveSettings } from '../settings.ts';
import { dpo } from './dpo.ts';
import type { Objective } from './objective.ts';
import { selm } from './selm.ts';

/** The objectives by the name a user gives them. */
export const objectives: Record<ObjectiveSettings['name'], Objective> = { selm, dpo };
