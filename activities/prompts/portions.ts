/** Divides a run's prompts among its rounds. */
import { counted } from '../../data/counted.ts';
import { InputError } from '../../data/errors.ts';
import type { DroppedPrompts, PromptSettings } from './request.ts';

interface PortionSettings {
  prompts: PromptSettings;
  rounds: number;
}

/**
 * The number of prompts of each round.
 * @param left prompts to train on
 * @param dropped prompts dropped from the file, for the error message
 * @throws InputError when there are too few prompts
 */
export function promptsPerRound(
  { prompts: { train, perRound }, rounds }: PortionSettings,
  left: number,
  dropped?: DroppedPrompts['train'],
): number {
  const size = perRound ?? Math.floor(left / rounds);
  if (size >= 1 && size * rounds <= left) return size;
  const without = dropped && describeDroppedPrompts(dropped);
  throw new InputError(
    `${train} leaves ${counted(left, 'prompt')} to train on${without ? ` (dropped: ${without})` : ''}, ` +
      `too few for ${counted(rounds, 'round')} of ${Math.max(1, size)}: lower rounds, prompts.perRound or prompts.heldOut.`,
  );
}

/** Returns the prompts of each round: equal portions. @throws InputError when there are too few prompts */
export function equalPortions(left: number[], settings: PortionSettings, dropped: DroppedPrompts['train']): number[][] {
  const size = promptsPerRound(settings, left.length, dropped);
  return Array.from({ length: settings.rounds }, (_, round) => left.slice(round * size, (round + 1) * size));
}

/** Returns the prompts of at most the configured number of rounds. The last round may have fewer prompts. */
export function portionsOfWhatIsLeft(left: number[], { prompts, rounds }: PortionSettings): number[][] {
  const size = prompts.perRound ?? Math.ceil(left.length / rounds);
  const count = Math.min(rounds, Math.ceil(left.length / Math.max(1, size)));
  return Array.from({ length: count }, (_, round) => left.slice(round * size, (round + 1) * size));
}

/** Why prompts were dropped, such as '6 repeated, 1 longer than 504 tokens'. Empty if none was dropped. */
export function describeDroppedPrompts({
  duplicates,
  tooLong,
  limit,
  heldOut = 0,
}: DroppedPrompts['train' | 'heldOut'] & { heldOut?: number }): string {
  return [
    ...(duplicates > 0 ? [`${duplicates} repeated`] : []),
    ...(tooLong > 0 ? [`${tooLong} longer than ${limit} tokens`] : []),
    ...(heldOut > 0 ? [`${heldOut} held out`] : []),
  ].join(', ');
}
