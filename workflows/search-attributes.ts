/**
 * A run's search attributes: what Temporal's list of workflows shows, filters and counts by. A server must know them before a run can
 * have them. A run that was started without them does not set them: an unknown attribute would fail every one of its workflow tasks.
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

/** The run's name. Its rounds have it as well. */
const RUN = defineSearchAttributeKey('SelmRun', SearchAttributeType.KEYWORD);
/** The round in progress, or the last one. */
const ROUND = defineSearchAttributeKey('SelmRound', SearchAttributeType.INT);
/** RunStatus.state. Runs have it, rounds do not. */
const STATE = defineSearchAttributeKey('SelmState', SearchAttributeType.KEYWORD);
/** The address of the last accepted policy. */
const POLICY = defineSearchAttributeKey('SelmPolicy', SearchAttributeType.KEYWORD);
/** The win rate over the start of the last round that has ended, 0 to 1. */
const WIN_RATE = defineSearchAttributeKey('SelmWinRate', SearchAttributeType.DOUBLE);

export const SEARCH_ATTRIBUTES = [RUN, ROUND, STATE, POLICY, WIN_RATE];

/** What a run is started with, on a server that knows the attributes. */
export const attributesOfStart = (name: string): SearchAttributePair[] => [
  { key: RUN, value: name },
  { key: STATE, value: 'preparing' },
];

/** What a round of this run is started with. */
export const attributesOfRound = (name: string, round: number): SearchAttributePair[] | undefined =>
  hasAttributes()
    ? [
        { key: RUN, value: name },
        { key: ROUND, value: round },
      ]
    : undefined;

/** Brings the attributes of this run to its status, in one command, or none if nothing changed. */
export function updateAttributes({ name, state, round, policy, results }: RunStatus): void {
  if (!hasAttributes()) return;
  const winRate = results.at(-1)?.evaluation.against?.winRate;
  const wanted: SearchAttributeUpdatePair[] = [
    // A schedule starts its runs with its own name.
    { key: RUN, value: name },
    { key: ROUND, value: round ?? null },
    { key: STATE, value: state },
    { key: POLICY, value: policy ?? null },
    { key: WIN_RATE, value: winRate ?? null },
  ];
  const present = workflowInfo().typedSearchAttributes;
  const changed = wanted.filter(({ key, value }) => (present.get(key) ?? null) !== value);
  if (changed.length > 0) upsertSearchAttributes(changed);
}

/** Where a run was when it last set its attributes. @returns undefined for a run without them */
export function lastKnown(attributes: TypedSearchAttributes): string | undefined {
  const [state, round] = [attributes.get(STATE), attributes.get(ROUND)];
  return round === undefined ? state : `${state}, round ${round}`;
}

const hasAttributes = () => workflowInfo().typedSearchAttributes.get(RUN) !== undefined;
