/** What the objectives need. Each backend has their losses. */
import type { ObjectiveName, ObjectiveSettings } from './settings.ts';

/** What an objective needs besides the chosen and the rejected response. */
interface ObjectiveNeeds {
  /** The policy that samples the reference response: the one that the round starts from, or the run's start policy, as in the paper. */
  referenceResponse?: 'round' | 'start';
  /** Whether it uses log-probabilities under the reference policy. */
  referencePolicy: boolean;
  /** Whether its implicit reward is averaged over the tokens of a response. */
  rewardPerToken?: boolean;
}

const NEEDS: Record<ObjectiveName, ObjectiveNeeds> = {
  selm: { referenceResponse: 'round', referencePolicy: true },
  dpo: { referencePolicy: true },
  xpo: { referenceResponse: 'start', referencePolicy: true },
  vpo: { referenceResponse: 'start', referencePolicy: true },
  'se-popo': { referenceResponse: 'round', referencePolicy: true },
  geb: { referencePolicy: true },
  // TRL averages its log-ratios over tokens in the loss, but logs rewards that are sums.
  ipo: { referencePolicy: true },
  simpo: { referencePolicy: false, rewardPerToken: true },
  'ln-dpo': { referencePolicy: true, rewardPerToken: true },
  'r-dpo': { referencePolicy: true },
};

/** What an objective needs. */
export const needsOf = ({ name }: Pick<ObjectiveSettings, 'name'>): ObjectiveNeeds => NEEDS[name];
