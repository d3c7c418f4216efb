/** A response that follows all instructions of a composed prompt, built from their arguments: the proof that it can be followed. */
import type { ComposedPrompt } from '../../../labelers/prompts/ifeval/compose.ts';

/** The beginning of article 1 of the Universal Declaration of Human Rights, by language. */
const ARTICLE: Record<string, string> = {
  ar: 'يولد جميع الناس أحرارا متساوين في الكرامة والحقوق.',
  bg: 'Всички хора се раждат свободни и равни по достойнство и права.',
  bn: 'সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে।',
  de: 'Alle Menschen sind frei und gleich an Würde und Rechten geboren.',
  es: 'Todos los seres humanos nacen libres e iguales en dignidad y derechos.',
  fa: 'تمام افراد بشر آزاد به دنیا می‌آیند و از لحاظ حیثیت و حقوق با هم برابرند.',
  fi: 'Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan.',
  fr: 'Tous les êtres humains naissent libres et égaux en dignité et en droits.',
  gu: 'પ્રતિષ્ઠા અને અધિકારોની દૃષ્ટિએ સર્વ માનવો જન્મથી સ્વતંત્ર અને સમાન હોય છે.',
  he: 'כל בני אדם נולדו בני חורין ושווים בערכם ובזכויותיהם.',
  hi: 'सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतंत्रता और समानता प्राप्त है।',
  it: 'Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti.',
  ja: 'すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。',
  kn: 'ಎಲ್ಲಾ ಮಾನವರೂ ಸ್ವತಂತ್ರರಾಗಿಯೇ ಜನಿಸಿದ್ದಾರೆ ಹಾಗೂ ಘನತೆ ಮತ್ತು ಹಕ್ಕುಗಳಲ್ಲಿ ಸಮಾನರಾಗಿದ್ದಾರೆ.',
  ko: '모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.',
  ml: 'മനുഷ്യരെല്ലാവരും തുല്യാവകാശങ്ങളോടും അന്തസ്സോടും സ്വാതന്ത്ര്യത്തോടുംകൂടി ജനിച്ചിട്ടുള്ളവരാണ്.',
  mr: 'सर्व मानवी व्यक्ति जन्मतःच स्वतंत्र आहेत व त्यांना समान प्रतिष्ठा व समान अधिकार आहेत.',
  ne: 'सबै व्यक्तिहरू जन्मजात स्वतन्त्र हुन् ती सबैको समान अधिकार र महत्व छ।',
  pa: 'ਸਾਰਾ ਮਨੁੱਖੀ ਪਰਿਵਾਰ ਆਪਣੀ ਮਹਿਮਾ ਅਤੇ ਹੱਕਾਂ ਦੇ ਪੱਖੋਂ ਜਨਮ ਤੋਂ ਹੀ ਆਜ਼ਾਦ ਹੈ।',
  pl: 'Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.',
  pt: 'Todos os seres humanos nascem livres e iguais em dignidade e em direitos.',
  ru: 'Все люди рождаются свободными и равными в своем достоинстве и правах.',
  sw: 'Watu wote wamezaliwa huru na hadhi na haki zao ni sawa na wamejaliwa akili na dhamiri.',
  ta: 'மனிதப் பிறவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர் அவர்கள் மதிப்பிலும் உரிமைகளிலும் சமமானவர்கள்.',
  te: 'ప్రతిపత్తిస్వత్వముల విషయమున మానవులెల్లరును జన్మతః స్వతంత్రులును సమానులును నగుదురు.',
  th: 'มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ',
  uk: 'Всі люди народжуються вільними і рівними у своїй гідності та правах.',
  ur: 'تمام انسان آزاد اور حقوق و عزت کے اعتبار سے برابر پیدا ہوئے ہیں۔',
  vi: 'Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi.',
};

/** English words without the letters and keywords that instructions are about. */
const FILLER =
  'the sun is in the tree and the bird is on the roof as the old man and the girl eat bread at the door'.split(' ');

const english = (count: number, start: number): string => {
  const words = Array.from({ length: count }, (_, i) => FILLER[(start + i) % FILLER.length]).join(' ');
  return words[0].toUpperCase() + words.slice(1);
};

/** All arguments of a prompt's instructions, by kind. */
type Arguments = Record<string, Record<string, unknown> | undefined>;

export function witness({ instruction_id_list: ids, kwargs }: ComposedPrompt): string {
  const of: Arguments = Object.fromEntries(ids.map((id, i) => [id, kwargs[i] as Record<string, unknown>]));
  if (of['detectable_format:constrained_response']) return 'My answer is maybe.';
  if (of['detectable_format:json_format']) return JSON.stringify({ answer: body(of) });
  let text = body(of);
  if (of['combination:two_responses']) text = `${text}\n******\n${text} ${text}`;
  const repeated = of['combination:repeat_prompt']?.['prompt_to_repeat'];
  if (repeated !== undefined) text = `${String(repeated)}\n${text}`;
  if (of['change_case:english_capital']) text = text.toUpperCase();
  if (of['change_case:english_lowercase']) text = text.toLowerCase();
  return of['startend:quotation'] ? `"${text}"` : text;
}

const times = (count: unknown, text: string) => Array.from({ length: Number(count) }, () => text);

function body(of: Arguments): string {
  const atLeast = (id: string, relation: string, count: string) =>
    of[id]?.[relation] === 'at least' ? Number(of[id][count]) : undefined;
  const language = of['language:response_language']?.['language'];
  // A number has no language.
  const word = language === undefined ? 'sun' : '1';
  const first = of['length_constraints:nth_paragraph_first_word'];
  const dividers = of['length_constraints:number_paragraphs'];
  const paragraphs = Number((first ?? dividers)?.['num_paragraphs'] ?? 1);
  const sentences = atLeast('length_constraints:number_sentences', 'relation', 'num_sentences');
  const isOneSentence = of['length_constraints:number_sentences'] !== undefined && sentences === undefined;
  const words = atLeast('length_constraints:number_words', 'relation', 'num_words') ?? 0;
  const frequency = atLeast('keywords:frequency', 'relation', 'frequency') ?? 0;
  const letters = atLeast('keywords:letter_frequency', 'let_relation', 'let_frequency') ?? 0;
  const capitals = atLeast('change_case:capital_word_frequency', 'capital_relation', 'capital_frequency') ?? 0;
  const sections = of['detectable_format:multiple_sections'];

  const extra = [
    ...((of['keywords:existence']?.['keywords'] as string[] | undefined) ?? []),
    ...times(frequency, String(of['keywords:frequency']?.['keyword'])),
    ...(letters > 0 ? [String(of['keywords:letter_frequency']!['letter']).repeat(letters)] : []),
    ...times(capitals, 'OK'),
    ...times(of['detectable_content:number_placeholders']?.['num_placeholders'] ?? 0, `[${word}]`),
    ...times(of['detectable_format:number_highlighted_sections']?.['num_highlights'] ?? 0, `${word} *${word}*`),
  ];
  const sentence = (count: number, start: number) =>
    language === undefined ? english(count, start) : ARTICLE[String(language)].slice(0, -1);
  const end = isOneSentence ? '' : '.';
  // The language of fewer words is not sure.
  const isEnglish = of['change_case:english_capital'] ?? of['change_case:english_lowercase'];
  const least = Math.max(words, isEnglish ? 24 : 0);
  const count = Math.max(6, Math.ceil(least / (paragraphs * (sentences ?? 1))));
  const text = Array.from({ length: paragraphs }, (_, i) => {
    const opener = first !== undefined && first['nth_paragraph'] === i + 1 ? `${String(first['first_word'])} ` : '';
    const more = Array.from({ length: (sentences ?? 1) - 1 }, (_, j) => ` ${sentence(count, 6 * (j + 1))}.`);
    return `${opener}${sentence(count, 6 * i)}${end}${more.join('')}`;
  }).join(dividers ? '\n***\n' : '\n\n');
  const parts = [
    text,
    extra.join(' '),
    ...Array.from(
      { length: Number(sections?.['num_sections'] ?? 0) },
      (_, i) => `${String(sections!['section_spliter'])} ${i + 1}`,
    ),
    ...times(of['detectable_format:number_bullet_lists']?.['num_bullets'] ?? 0, `- ${word}`),
    of['detectable_format:title'] ? `<<${word}>>` : '',
    (of['detectable_content:postscript']?.['postscript_marker'] as string | undefined) ?? '',
    (of['startend:end_checker']?.['end_phrase'] as string | undefined) ?? '',
  ].filter((part) => part !== '');
  return of['punctuation:no_comma'] ? parts.join('\n').replaceAll(',', '') : parts.join('\n');
}
