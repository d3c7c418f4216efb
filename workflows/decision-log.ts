/** The decisions that operators have made about a run, for its status, its report and the web pages. */
import { showSetting, type Settings } from '../config/changes.ts';

/** The decisions. Updates and commands have the same names; `close voting` is `selm label close`. */
export const DECISIONS = ['retry', 'skip', 'stop', 'pause', 'resume', 'close voting'] as const;
export type Decision = (typeof DECISIONS)[number];

export interface DecisionRecord {
  /** ISO 8601. */
  at: string;
  decision: Decision;
  /** The person. Absent for commands of earlier versions of selm. */
  by?: string;
  /** The round that the decision is about. Absent before the first round. */
  round?: number;
  /** The settings of a retry: `key=value`, with long values cut. */
  settings?: string[];
}

/** A run's last decisions, in order. */
export interface DecisionLog {
  decisions?: DecisionRecord[];
  /** How many decisions were made before `decisions`. Absent for none. */
  earlierDecisions?: number;
}

/** Maximum decisions and settings per decision that the log keeps: it is a part of the run's status and memory. */
const MOST_DECISIONS = 50;
const MOST_SETTINGS = 20;
const LONGEST_NAME = 100;

/** Adds a decision that was made now. */
export function logDecision(
  log: DecisionLog,
  decision: DecisionRecord['decision'],
  { by, round, settings }: { by?: string; round?: number; settings?: Settings },
): void {
  const all = [
    ...(log.decisions ?? []),
    {
      at: new Date().toISOString(),
      decision,
      ...(by !== undefined && { by: by.slice(0, LONGEST_NAME) }),
      ...(round !== undefined && { round }),
      ...(settings && { settings: showSettings(settings) }),
    },
  ];
  const dropped = Math.max(0, all.length - MOST_DECISIONS);
  log.decisions = all.slice(dropped);
  if (dropped > 0) log.earlierDecisions = (log.earlierDecisions ?? 0) + dropped;
}

function showSettings(settings: Settings): string[] {
  const entries = Object.entries(settings);
  const more = entries.length - MOST_SETTINGS;
  return [
    ...entries.slice(0, MOST_SETTINGS).map(([key, value]) => showSetting(key, value)),
    ...(more > 0 ? [`and ${more} more`] : []),
  ];
}

/** @example 'retry by anna at 2026-11-29T10:00:00.000Z, round 2, optimize.learningRate=0.00001' */
export const describeDecision = ({ at, decision, by, round, settings = [] }: DecisionRecord): string =>
  [
    `${decision}${by === undefined ? '' : ` by ${by}`} at ${at}`,
    ...(round === undefined ? [] : [`round ${round}`]),
    ...settings,
  ].join(', ');
