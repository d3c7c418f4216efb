/**
 * Finds the reachable artifacts of a store and checks that they stay unchanged. It reads plain files and JSON and shares no code with the
 * store, so that it can detect errors of the store.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

interface Manifest {
  kind: string;
  files: { path: string; size: number; sha256: string }[];
  recipe: { inputs: Record<string, string | string[]> };
}

interface Seen {
  kind: string;
  /** Inode and time of its manifest: others when it was made again, though to the same bytes. */
  made: string;
  inputs: string[];
}

const isHash = (text: string) => /^[0-9a-f]{64}$/.test(text);
export const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');

/** JSON with sorted keys: what an address is the SHA-256 of. */
export function sorted(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sorted).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${sorted(inner)}`).join(',')}}`;
}

export class StoreOracle {
  private readonly root: string;
  private readonly seen = new Map<string, Seen>();

  /** @param root the store's folder */
  constructor(root: string) {
    this.root = root;
  }

  /** Notes the artifacts that are reachable now, from names and from steps' keys, and whole. */
  note(): void {
    const open = this.roots();
    const visited = new Set<string>();
    for (let address = open.pop(); address !== undefined; address = open.pop()) {
      if (visited.has(address)) continue;
      visited.add(address);
      const seen = this.seen.get(address) ?? this.look(address);
      if (!seen) continue;
      this.seen.set(address, seen);
      open.push(...seen.inputs);
    }
  }

  /** @returns what has become of artifacts that were reachable at some time; nothing where all of them are as they were */
  losses(excepted: ReadonlySet<string>): string[] {
    return [...this.seen].flatMap(([address, { kind, made }]) => {
      if (excepted.has(address)) return [];
      const now = this.look(address);
      if (now?.made === made) return [];
      return [`${kind} ${address.slice(0, 12)} ${now ? 'was removed and made again' : 'is gone or changed'}`];
    });
  }

  /** How many it has seen. */
  get count(): number {
    return this.seen.size;
  }

  private roots(): string[] {
    const versions = namesIn(join(this.root, 'names')).flatMap((name) =>
      namesIn(join(this.root, 'names', name)).map((version) => join('names', name, version)),
    );
    const steps = namesIn(join(this.root, 'steps')).map((key) => join('steps', key));
    return [...versions, ...steps].flatMap((file) => {
      const text = bytesOf(join(this.root, file))?.toString('utf8') ?? '';
      return isHash(text) ? [text] : [];
    });
  }

  /** An artifact, if it is there and is what its address and its hashes say. */
  private look(address: string): Seen | undefined {
    const folder = join(this.root, 'objects', address);
    const text = bytesOf(join(folder, 'manifest.json'));
    if (!text) return undefined;
    let manifest: Manifest;
    let made: string;
    try {
      manifest = JSON.parse(text.toString('utf8')) as Manifest;
      const { ino, mtimeMs } = statSync(join(folder, 'manifest.json'));
      made = `${ino} ${mtimeMs}`;
    } catch {
      return undefined;
    }
    const isWhole = ({ path, sha256: expected }: Manifest['files'][number]) => {
      const bytes = bytesOf(join(folder, path));
      return bytes !== undefined && sha256(bytes) === expected;
    };
    if (sha256(sorted(manifest)) !== address || !manifest.files.every(isWhole)) return undefined;
    return { kind: manifest.kind, made, inputs: Object.values(manifest.recipe.inputs).flat().filter(isHash) };
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function bytesOf(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
