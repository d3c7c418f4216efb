/** The result of `selm label` in a sentence. */
import { counted } from '../../../data/counted.ts';
import { adviceOnCounts } from '../../../labelers/advice.ts';
import { describeReasons, type LabelStats } from '../../../labelers/preferences.ts';

/** One sentence about the preferences that a command has written. */
export const describePreferences = (out: string, stats: LabelStats): string =>
  `${out}: ${counted(stats.preferences, 'preference')} from ${counted(stats.rows, 'prompt')}${describeWithoutPreference(stats)}.` +
  describeTruncated(stats) +
  describeCounts(stats);

/** The number of prompts without a preference, by reason. */
const describeWithoutPreference = ({ rows, preferences, dropped }: LabelStats): string =>
  preferences === rows ? '' : `; ${rows - preferences} dropped (${describeReasons(dropped)})`;

function describeTruncated({ truncated }: LabelStats): string {
  return truncated === 0
    ? ''
    : ` ${counted(truncated, 'response was', 'responses were')} truncated at the length limit.`;
}

/** The labeler's counts as text. */
function describeCounts({ counts = {} }: LabelStats): string {
  const listed = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  return listed.length === 0 ? '' : [` The labeler counts ${listed.join(', ')}.`, ...adviceOnCounts(counts)].join(' ');
}
