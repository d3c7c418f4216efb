/** Adds special tokens to an encoded text or pair of texts: `post_processor` of tokenizer.json. */
import { parts, settingsOf, text, typeOf, type Settings } from './settings.ts';

/** Tokens with BERT's token types: 0 for the first text, 1 for the second of a pair. */
export interface Encoded {
  ids: number[];
  typeIds: number[];
}

/** Changes a list of one or two encoded texts. */
export type PostProcessor = (sequences: Encoded[], addSpecialTokens: boolean) => Encoded[];

/** @throws Error when the settings are invalid, or of a kind that is not supported */
export function postProcessorOf(settings: Settings): PostProcessor {
  const type = typeOf(settings);
  switch (type) {
    case 'Sequence': {
      const steps = parts(settings, 'processors').map(postProcessorOf);
      return (sequences, add) => steps.reduce((processed, step) => step(processed, add), sequences);
    }
    case 'ByteLevel':
      // It changes only offsets.
      return (sequences) => sequences;
    case 'TemplateProcessing':
      return template(settings);
    case 'BertProcessing': {
      const [cls, sep] = [idOf(settings, 'cls'), idOf(settings, 'sep')];
      return (sequences, add) =>
        add
          ? sequences.map(({ ids, typeIds }, i) =>
              i === 0 ? withTypes([cls, ...ids, sep], 0) : { ids: [...ids, sep], typeIds: [...typeIds, 1] },
            )
          : sequences;
    }
    case 'RobertaProcessing': {
      const [cls, sep] = [idOf(settings, 'cls'), idOf(settings, 'sep')];
      return (sequences, add) =>
        sequences.map(({ ids }, i) => withTypes(add ? [i === 0 ? cls : sep, ...ids, sep] : ids, 0));
    }
    default:
      throw new Error(`the post-processor ${type} is not supported`);
  }
}

/** All encoded texts as one. */
export const merged = (sequences: Encoded[]): Encoded => ({
  ids: sequences.flatMap(({ ids }) => ids),
  typeIds: sequences.flatMap(({ typeIds }) => typeIds),
});

const withTypes = (ids: number[], type: number): Encoded => ({ ids, typeIds: ids.map(() => type) });

/** The id in a pair such as `["[SEP]", 102]`. */
function idOf(settings: Settings, key: string): number {
  const value = settings[key];
  if (Array.isArray(value) && Number.isSafeInteger(value[1])) return value[1] as number;
  throw new Error(`${typeOf(settings)} has no token "${key}"`);
}

/** A special token's ids, or the index of a text. */
interface TemplatePart {
  ids?: number[];
  index: number;
  type: number;
}

function template(settings: Settings): PostProcessor {
  const special = settingsOf(settings['special_tokens'], '"special_tokens" of TemplateProcessing');
  const templates = ['single', 'pair'].map((key) => parts(settings, key).map((part) => templatePart(part, special)));
  return (sequences, add) => {
    const found = templates.at(sequences.length - 1);
    if (!found || sequences.length > 2) throw new Error('its post-processors add tokens to more than two texts');
    return found.flatMap(({ ids, index, type }) => {
      if (ids) return add ? [withTypes(ids, type)] : [];
      return [withTypes(sequences[index].ids, type)];
    });
  };
}

function templatePart(part: Settings, special: Settings): TemplatePart {
  const isSpecial = 'SpecialToken' in part;
  const content = settingsOf(part[isSpecial ? 'SpecialToken' : 'Sequence'], 'a part of TemplateProcessing');
  const [id, type] = [text(content, 'id'), content['type_id']];
  if (!Number.isSafeInteger(type)) throw new Error('a part of TemplateProcessing has no type_id');
  if (!isSpecial) return { index: id === 'A' ? 0 : 1, type: type as number };
  const { ids } = settingsOf(special[id], `the special token ${JSON.stringify(id)} of TemplateProcessing`);
  if (!Array.isArray(ids) || !ids.every(Number.isSafeInteger)) {
    throw new Error(`the special token ${JSON.stringify(id)} of TemplateProcessing has no ids`);
  }
  return { ids: ids as number[], index: 0, type: type as number };
}
