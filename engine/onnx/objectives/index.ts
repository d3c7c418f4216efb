/**
 * The objectives by name. To add one: a file here, its settings in engine/protocol/settings.ts, its needs in
 * engine/protocol/objectives.ts, and an entry below.
 */
import type { ObjectiveName, ObjectiveSettings } from '../../protocol/settings.ts';
import { dpo } from './dpo.ts';
import { geb } from './geb.ts';
import { ipo } from './ipo.ts';
import { lnDpo } from './ln-dpo.ts';
import type { Objective } from './objective.ts';
import { rDpo } from './r-dpo.ts';
import { sePopo } from './se-popo.ts';
import { selm } from './selm.ts';
import { simpo } from './simpo.ts';
import { vpo } from './vpo.ts';
import { xpo } from './xpo.ts';

const objectives: { [N in ObjectiveName]: Objective<ObjectiveSettings<N>> } = {
  selm,
  dpo,
  xpo,
  vpo,
  'se-popo': sePopo,
  geb,
  ipo,
  simpo,
  'ln-dpo': lnDpo,
  'r-dpo': rDpo,
};

/** The objective that the settings name. */
export const objectiveOf = ({ name }: Pick<ObjectiveSettings, 'name'>) => objectives[name] as Objective;
