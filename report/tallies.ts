/** The tallies of a round: the labels among those of its preferences that are made of people's votes. */
import type { Address, Recipe } from '../artifacts/manifest.ts';
import type { ReadableStore } from '../artifacts/store.ts';
import { inTurns } from '../data/in-turns.ts';

/** @param preferences the address of the round's preferences. @returns the recipes of the tallies, in the order of the labels */
export async function talliesOf(store: ReadableStore, preferences: Address): Promise<Recipe[]> {
  const { recipe } = await store.manifest(preferences);
  const labels = await inTurns(addresses(recipe.inputs['labels']), (address) => store.manifest(address));
  return labels.map((label) => label.recipe).filter(({ step }) => step === 'tally');
}

/** Whether a tally is of late votes on an earlier round's questions. */
export const isLate = ({ inputs }: Recipe): boolean => inputs['late'] !== undefined;

/** An input of a recipe as a list. */
export const addresses = (input: Address | Address[] | undefined): Address[] =>
  input === undefined ? [] : [input].flat();
