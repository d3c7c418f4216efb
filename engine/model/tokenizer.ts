export interface ModelTokenizer {
  eosIds: number[];
  encodePrompt(t: unknown): number[];
  encodeResponse(p: unknown, t: unknown): number[];
  encodeDemonstration(d: unknown): { prompt: number[]; completion: number[] };
  decode(ids: number[]): string;
}
export function loadTokenizer(_folder: string): ModelTokenizer {
  throw new Error('provisional');
}
