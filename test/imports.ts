/** Which files of the project import which. */
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** The TypeScript files below a folder of the project, as paths from its root. */
export const sourcesIn = (folder: string): string[] =>
  (readdirSync(`${root}/${folder}`, { recursive: true }) as string[])
    .filter((file) => file.endsWith('.ts'))
    .map((file) => `${folder}/${file}`);

const FORMS = [
  // import x from '…', import type { X } from '…', export { x } from '…', export * from '…'
  /^(?:import|export)\b[^'";]*?\bfrom\s*['"]([^'"]+)['"]/gm,
  // import '…'
  /^import\s*['"]([^'"]+)['"]/gm,
  // await import('…'), and the type import('…').X
  /\bimport\s*\(\s*['"]([^'"]+)['"]/g,
];

/** The modules that a TypeScript text imports, types alone included, as they are written. */
export const importedBy = (text: string): string[] =>
  FORMS.flatMap((form) => [...text.matchAll(form)].map(([, module]) => module));

/** What a file imports: files of the project as paths from its root, packages by their names. */
export const importsOf = (file: string): string[] =>
  importedBy(readFileSync(`${root}/${file}`, 'utf8')).map((module) =>
    module.startsWith('.') ? posix.join(posix.dirname(file), module) : module,
  );

/**
 * A path through a graph that ends where it began.
 * @param next what each node leads to; what is no key of it is left out
 * @returns its nodes, the first one again at the end; undefined where there is no such path
 */
export function circleIn(next: Map<string, string[]>): string[] | undefined {
  const finished = new Set<string>();
  const path: string[] = [];
  const search = (node: string): string[] | undefined => {
    if (path.includes(node)) return [...path.slice(path.indexOf(node)), node];
    if (finished.has(node)) return undefined;
    path.push(node);
    for (const following of next.get(node) ?? []) {
      const circle = search(following);
      if (circle) return circle;
    }
    path.pop();
    finished.add(node);
    return undefined;
  };
  for (const node of next.keys()) {
    const circle = search(node);
    if (circle) return circle;
  }
  return undefined;
}
