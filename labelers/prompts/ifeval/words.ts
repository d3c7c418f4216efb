/** Words for the arguments of instructions about keywords. */
import type { Random } from '../random.ts';

/** Words of a request that say nothing about its topic. */
const COMMON = new Set(
  (
    'about above after again also been before being best between both can cannot come contain could create describe does down each ' +
    'every explain find first following from generate give good great have help here how include into just keep know like list look ' +
    'make many may more most much must need only other over please provide really same should some something such suggest sure take ' +
    'tell than that the their them then there these they thing things this those through time under used using very want was well ' +
    'were what when where which while who whose why will with without would write your you'
  ).split(' '),
);

/** Words that fit into texts of many kinds. */
const GENERAL = (
  'advice answer balance beautiful begin believe benefit better bright bring build business careful challenge change choice clear ' +
  'color community compare complete consider creative culture curious daily decide detail different discover dream early effort ' +
  'energy enjoy environment example experience explore family famous favorite feeling finally focus forward friend funny future ' +
  'gentle goal growth happy health history hope idea imagine important improve inspire interest journey knowledge language learn ' +
  'lesson light listen local method modern moment morning mountain music natural ocean opinion opportunity original patience peace ' +
  'people perfect picture plan popular positive possible practice problem process progress promise purpose question quiet reason ' +
  'remember respect result river safety science season secret share simple skill solution special spirit start story strength ' +
  'strong success support surprise teacher team together tradition travel trust understand unique useful value village visit voice ' +
  'weather welcome winter wisdom wonder world'
).split(' ');

/** Words that can begin a paragraph of any text. */
const OPENERS = (
  'although another because despite during even finally first fortunately here however imagine indeed meanwhile next often once ' +
  'perhaps second since sometimes still suddenly then therefore today tomorrow ultimately unlike when while yesterday yet'
).split(' ');

/** The words of a text that say what it is about: at least four letters, lower case, each once. */
function topicWords(text: string): string[] {
  const words = text.toLowerCase().match(/(?<![\p{L}\p{N}'’_-])[a-z]{4,14}(?![\p{L}\p{N}'’_-])/gu) ?? [];
  return [...new Set(words)].filter((word) => !COMMON.has(word));
}

/** Different keywords: about half of them from the text, the others general. */
export function drawKeywords(random: Random, text: string, count: number): string[] {
  const topic = topicWords(text);
  const keywords = new Set<string>();
  while (keywords.size < count) keywords.add(random.pick(topic.length > 0 && random.chance(0.5) ? topic : GENERAL));
  return [...keywords].sort();
}

/** A word for the beginning of a paragraph. */
export const drawOpener = (random: Random): string => random.pick(OPENERS);
