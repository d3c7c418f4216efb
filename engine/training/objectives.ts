/** What the objectives need. Each backend has their losses. */
import type { ObjectiveName, ObjectiveSettings } from '../protocol/settings.ts';

/** What an objective needs besides the chosen and the rejected response. */
interface ObjectiveNeeds {
  /** Whether it uses a response of the reference policy. */
  referenceResponse: boolean;
  /** Whether it uses log-probabilities under the reference policy. */
  referencePolicy: boolean;
}

const NEEDS: Record<ObjectiveName, ObjectiveNeeds> = {
  selm: { referenceResponse: true, referencePolicy: true },
  dpo: { referenceResponse: false, referencePolicy: true },
  xpo: { referenceResponse: true, referencePolicy: true },
  vpo: { referenceResponse: true, referencePolicy: true },
  ipo: { referenceResponse: false, referencePolicy: true },
  simpo: { referenceResponse: false, referencePolicy: false },
};

export const needsOf = ({ name }: Pick<ObjectiveSettings, 'name'>): ObjectiveNeeds => NEEDS[name];
