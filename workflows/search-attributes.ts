/**
 * The search attributes of runs, for listing, filtering and counting workflows in Temporal. They must be registered on the server
 * before a run can use them. A run that was started without them never sets them, because an unregistered attribute fails the workflow
 * task.
 */
import {
  defineSearchAttributeKey,
  SearchAttributeType,
  type SearchAttributePair,
  type SearchAttributeUpdatePair,
  type TypedSearchAttributes,
} from '@temporalio/common';
import { upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { RunStatus } from './status.ts';

/** The name of the run. Set on the run and on its rounds. */
const RUN = defineSearchAttributeKey('SelmRun', SearchAttributeType.KEYWORD);
/** The round in progress, or the last one. */
const ROUND = defineSearchAttributeKey('SelmRound', SearchAttributeType.INT);
/** RunStatus.state, or `voting` while a running run waits for people's votes. Set on runs only, not on rounds. */
const STATE = defineSearchAttributeKey('SelmState', SearchAttributeType.KEYWORD);
/** The address of the last accepted policy. */
const POLICY = defineSearchAttributeKey('SelmPolicy', SearchAttributeType.KEYWORD);
/** The win rate of the last finished round over the start policy, 0 to 1. */
const WIN_RATE = defineSearchAttributeKey('SelmWinRate', SearchAttributeType.DOUBLE);

/** All search attributes, to be registered on the server. */
export const SEARCH_ATTRIBUTES = [RUN, ROUND, STATE, POLICY, WIN_RATE];

/** The attributes of a new run. The server must have them registered. */
export const attributesOfStart = (name: string): SearchAttributePair[] => [
  { key: RUN, value: name },
  { key: STATE, value: 'preparing' },
];

/** The attributes of a new round of this run; undefined if the run has none. */
export const attributesOfRound = (name: string, round: number): SearchAttributePair[] | undefined =>
  hasAttributes()
    ? [
        { key: RUN, value: name },
        { key: ROUND, value: round },
      ]
    : undefined;

/** Updates the attributes of this run to its status. Sends no command if nothing changed. */
export function updateAttributes({ name, state, voting, round, policy, results }: RunStatus): void {
  if (!hasAttributes()) return;
  const winRate = results.at(-1)?.evaluation.against?.winRate;
  const wanted: SearchAttributeUpdatePair[] = [
    // A scheduled run is started with the schedule's name in this attribute.
    { key: RUN, value: name },
    { key: ROUND, value: round ?? null },
    { key: STATE, value: voting && state === 'running' ? 'voting' : state },
    { key: POLICY, value: policy ?? null },
    { key: WIN_RATE, value: winRate ?? null },
  ];
  const present = workflowInfo().typedSearchAttributes;
  const changed = wanted.filter(({ key, value }) => (present.get(key) ?? null) !== value);
  if (changed.length > 0) upsertSearchAttributes(changed);
}

/** The state and round in a run's attributes. @returns undefined for a run without them */
export function lastKnown(attributes: TypedSearchAttributes): string | undefined {
  const [state, round] = [attributes.get(STATE), attributes.get(ROUND)];
  return round === undefined ? state : `${state}, round ${round}`;
}

const hasAttributes = () => workflowInfo().typedSearchAttributes.get(RUN) !== undefined;
