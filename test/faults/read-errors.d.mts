export function failReads(codeFor: (path: string) => string | undefined): () => void;
